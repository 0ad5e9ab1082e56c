/**
 * The one place where Weir touches the runtime's internal HTTP hook: serving HTTP/1.1 and HTTP/2 on a connection that
 * somebody else accepted, at the full speed of `Deno.serve`. Tested for at start; where it is missing the node server
 * (node_connection.ts) stands in.
 *
 * Its four hazards, each closed here or in native_connection.ts: `shutdown()` leaves a connection that nothing can
 * force any more, so limits use the kill switch and only drains use shutdown; the kill switch throws when the
 * connection is gone; `finished` rejects when the peer resets; and in-flight work is only visible in the handler.
 */

/** What the hook calls for each request. `completed` settles when the answer is out. */
export type NativeHandler = (
  request: Request,
  info: { readonly completed: Promise<void> },
) => Response | Promise<Response>;

/** A connection being served. */
export interface NativeServing {
  /** Resolves or rejects when the connection is over, whoever ended it. */
  readonly finished: Promise<void>;
  /** Lets the running request end, then closes; afterwards {@link kill} can do nothing more. */
  shutdown(): Promise<void>;
  /** Ends at once, also in the middle of a body. Never throws. */
  kill(): void;
}

type Hook = (
  conn: Deno.Conn,
  signal: unknown,
  handler: NativeHandler,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => { finished: Promise<void>; shutdown(): Promise<void> };

// deno-lint-ignore no-explicit-any
const hook: Hook | undefined = (Deno as any)[(Deno as any).internal]?.serveHttpOnConnection;

/** Whether this runtime has the hook. */
export const hasNativeServer = typeof hook === "function";

const nothing = () => {};

/** Serves `conn`, which is taken over for good. Throws TypeError where the runtime has no hook. */
export function serveNative(
  conn: Deno.Conn,
  handler: NativeHandler,
  onError: (error: unknown) => Response,
): NativeServing {
  if (!hook) throw new TypeError("Cannot serve natively: this runtime has no such hook");
  let abort: (() => void) | undefined;
  // An AbortSignal would throw from its listener once the connection is gone, and end the process.
  const signal = {
    aborted: false,
    addEventListener: (_: string, listener: () => void) => void (abort = listener),
  };
  const serving = hook(conn, signal, handler, onError, nothing);
  return {
    finished: serving.finished,
    shutdown: () => serving.shutdown(),
    kill() {
      try {
        abort?.();
      } catch {
        // Gone already: that is what was asked for.
      }
    },
  };
}

/**
 * The runtime's own mark on a Response whose body is complete text or bytes and whose headers are at most a content
 * type; such an answer is over when the handler returns. undefined where this runtime has no such mark: then every
 * answer is watched until it is out.
 */
const fastStatus: symbol | undefined = markOf("serve fast status");
const fastBody: symbol | undefined = markOf("serve fast body");
const headerKind: symbol | undefined = markOf("serve fast header kind");
const contentType: symbol | undefined = markOf("serve fast content type");
const kindNone = kindOf(new Response(new Uint8Array(1)));
const kindContentType = kindOf(new Response("x", { headers: { "content-type": "a/b" } }));

function markOf(description: string): symbol | undefined {
  const response = new Response("x", { status: 201 });
  return Object.getOwnPropertySymbols(response).find((symbol) => symbol.description === description);
}

function kindOf(response: Response): unknown {
  return headerKind && (response as unknown as Record<symbol, unknown>)[headerKind];
}

/** Status of an answer that is over when the handler returns; 0 for everything else, whatever it is. */
export function instantStatus(answer: unknown): number {
  if (fastStatus === undefined || typeof answer !== "object" || answer === null) return 0;
  const status = (answer as Record<symbol, unknown>)[fastStatus];
  return typeof status === "number" ? status : 0;
}

/** The body of such an answer as it was given; undefined for every other. */
export function instantBody(response: Response): string | Uint8Array | undefined {
  if (fastBody === undefined || instantStatus(response) === 0) return undefined;
  const body = (response as unknown as Record<symbol, unknown>)[fastBody];
  return typeof body === "string" || body instanceof Uint8Array ? body : undefined;
}

/** The content type of such an answer, empty for none; undefined where it may have other headers. */
export function instantContentType(response: Response): string | undefined {
  if (headerKind === undefined || contentType === undefined) return undefined;
  const marks = response as unknown as Record<symbol, unknown>;
  if (marks[headerKind] === kindNone) return "";
  const type = marks[contentType];
  return marks[headerKind] === kindContentType && typeof type === "string" ? type : undefined;
}

/** Bytes (characters, for text) of such an answer's body; -1 where unknown. */
export function instantLength(answer: unknown): number {
  if (fastBody === undefined || typeof answer !== "object" || answer === null) return -1;
  const body = (answer as Record<symbol, unknown>)[fastBody];
  return typeof body === "string" || body instanceof Uint8Array ? body.length : -1;
}

const innerResponse: symbol | undefined = markOf("response");

/**
 * Whether the body of an answer is a stream, which is not over when the handler returns; true where this runtime does
 * not tell. Text and bytes with headers of their own are not streams, although their answers are not instant.
 */
export function isStreaming(response: Response): boolean {
  const inner = innerResponse &&
    (response as unknown as Record<symbol, { body?: { streamOrStatic?: unknown } | null } | undefined>)[
      innerResponse
    ];
  if (!inner || inner.body === undefined) return true;
  return inner.body !== null &&
    (inner.body.streamOrStatic === undefined || inner.body.streamOrStatic instanceof ReadableStream);
}

const innerRequest: symbol | undefined = Object.getOwnPropertySymbols(new Request("http://host/"))
  .find((symbol) => symbol.description === "request");

/**
 * The fields of a request as they came, in order, names as they were written: half the cost of its Headers, which are
 * what is read where this runtime does not tell.
 */
export function rawFields(request: Request): Iterable<readonly [string, string]> {
  const inner = innerRequest &&
    (request as unknown as Record<symbol, { headerList?: unknown } | undefined>)[innerRequest];
  const list = inner?.headerList;
  return Array.isArray(list) ? list : request.headers;
}

/** Bytes of an answer's body: 0 for none, -1 where it is a stream, is text, or this runtime does not tell. */
export function knownLength(response: Response): number {
  const inner = innerResponse &&
    (response as unknown as Record<symbol, { body?: { length?: unknown } | null } | undefined>)[
      innerResponse
    ];
  if (!inner || inner.body === undefined) return -1;
  if (inner.body === null) return 0;
  return typeof inner.body.length === "number" ? inner.body.length : -1;
}

const nativeResponse: symbol | undefined = markOf("serve native response");

/** What is used of the runtime's own part of a Response. */
interface Inner {
  status: number;
  headerList: [string, string][];
}

/**
 * An answer of bytes with `fields` exactly as they are, for a third of what the constructor takes for them. Names must
 * be tokens and values free of control characters: nobody looks at them again, and the runtime's writer does not survive
 * such values. Where this runtime works differently the constructor makes it.
 */
export function responseOfFields(
  body: Uint8Array<ArrayBuffer> | null,
  status: number,
  fields: [string, string][],
): Response {
  if (takesFields) {
    const response = new Response(body);
    const marks = response as unknown as Record<symbol, unknown>;
    // A copy of it that the runtime has made already would be sent instead.
    if (marks[nativeResponse!] === null) {
      const inner = marks[innerResponse!] as Inner;
      inner.status = status;
      inner.headerList = fields;
      // Not over with its status and its body alone any more.
      marks[fastStatus!] = 0;
      return response;
    }
  }
  return new Response(body, { status, headers: fields });
}

/** Whether a Response of bytes keeps its status and its fields in an object of its own. */
const takesFields = [null, new Uint8Array(1)].every((body) => {
  if (fastStatus === undefined || nativeResponse === undefined || innerResponse === undefined) return false;
  const marks = new Response(body) as unknown as Record<symbol, unknown>;
  const inner = marks[innerResponse] as Partial<Inner> | undefined;
  return marks[nativeResponse] === null && typeof marks[fastStatus] === "number" && inner?.status === 200 &&
    Array.isArray(inner.headerList) && inner.headerList.length === 0;
});

/** The values of field `name` (in lower case) of an answer, joined; undefined where it has none. */
export function fieldOf(response: Response, name: string): string | undefined {
  const inner = takesFields &&
    (response as unknown as Record<symbol, Partial<Inner> | undefined>)[innerResponse!];
  if (!inner || !Array.isArray(inner.headerList)) return response.headers.get(name) ?? undefined;
  let found: string | undefined;
  for (const [given, value] of inner.headerList) {
    if (given.length !== name.length || given.toLowerCase() !== name) continue;
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}

/** The runtime's writer panics over a control character in a value, and with it the process ends. */
const sendable = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Answers repeat: a content type that was looked at is not looked at again. */
let lastContentType = "";

/** Whether the runtime survives sending the fields of an answer, whoever wrote them. */
export function hasSendableFields(response: Response): boolean {
  if (instantStatus(response) !== 0 && contentType !== undefined) {
    const type = (response as unknown as Record<symbol, unknown>)[contentType];
    if (typeof type !== "string" || type === lastContentType) return true;
    if (!sendable.test(type)) return false;
    lastContentType = type;
    return true;
  }
  const inner = innerResponse &&
    (response as unknown as Record<symbol, Partial<Inner> | undefined>)[innerResponse];
  const list = inner?.headerList;
  for (const [, value] of Array.isArray(list) ? list : response.headers) {
    if (!sendable.test(value)) return false;
  }
  return true;
}
