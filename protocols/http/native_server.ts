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
  body: InnerBytes | null;
}

/** What is used of the runtime's own part of a body of bytes. */
interface InnerBytes {
  streamOrStatic: { body: Uint8Array; consumed: boolean };
  source: Uint8Array;
  length: number;
}

type MakeInnerBytes = new (given: InnerBytes["streamOrStatic"]) => InnerBytes;

/**
 * An answer of bytes with `fields` exactly as they are, for a fifth of what the constructor takes for them, and without
 * the copy that it makes of `body`: that is the answer's from now on. Names must be tokens and values free of control
 * characters: nobody looks at them again, and the runtime's writer does not survive such values. Where this runtime
 * works differently the constructor makes it.
 */
export function responseOfFields(
  body: Uint8Array<ArrayBuffer> | null,
  status: number,
  fields: [string, string][],
): Response {
  if (InnerBody) {
    const response = new Response();
    const inner = (response as unknown as Record<symbol, Inner>)[innerResponse!]!;
    inner.status = status;
    inner.headerList = fields;
    if (body) {
      const bytes = inner.body = new InnerBody({ body, consumed: false });
      bytes.source = body;
      bytes.length = body.length;
    }
    return response;
  }
  return new Response(body, { status, headers: fields });
}

/**
 * What the runtime makes of bytes; undefined where a Response without a body does not keep its status, its fields and
 * its body in an object of its own, or has another copy of itself that would be sent instead.
 */
const InnerBody: MakeInnerBytes | undefined = findInnerBody();

function findInnerBody(): MakeInnerBytes | undefined {
  if (fastStatus === undefined || nativeResponse === undefined || innerResponse === undefined) {
    return undefined;
  }
  const marks = new Response() as unknown as Record<symbol, unknown>;
  const inner = marks[innerResponse] as Partial<Inner> | undefined;
  const keeps = marks[nativeResponse] === null && marks[fastStatus] === 0 && inner?.status === 200 &&
    inner.body === null && Array.isArray(inner.headerList) && inner.headerList.length === 0;
  const ofBytes = new Response(new Uint8Array(1)) as unknown as Record<symbol, Partial<Inner> | undefined>;
  const body: Partial<InnerBytes> | null | undefined = ofBytes[innerResponse]?.body;
  const given = body?.streamOrStatic;
  const known = given?.body instanceof Uint8Array && given.consumed === false && body!.length === 1 &&
    body!.source instanceof Uint8Array;
  if (!keeps || !known) return undefined;
  const Made = body!.constructor as MakeInnerBytes;
  return new Made(given!).streamOrStatic === given ? Made : undefined;
}

/** The values of field `name` (in lower case) of an answer, joined; undefined where it has none. */
export function fieldOf(response: Response, name: string): string | undefined {
  const inner = InnerBody &&
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
/** Answers repeat: what was looked at is not looked at again. */
let lastContentType = "";
const lastValues: string[] = new Array(32).fill("");

/** Whether the runtime survives `value`, which stands at `place` of an answer. */
function isSendable(value: string, place: number): boolean {
  if (place < lastValues.length && value === lastValues[place]) return true;
  if (!sendable.test(value)) return false;
  if (place < lastValues.length) lastValues[place] = value;
  return true;
}

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
  let place = 0;
  for (const [, value] of Array.isArray(list) ? list : response.headers) {
    if (!isSendable(value, place++)) return false;
  }
  return true;
}
