/**
 * A request as a handler on a pool thread gets it: method and URL are there at once, the runtime's own Request behind it
 * is made when anything else is asked for, since that costs more than everything else on the way to the handler.
 *
 * It is a Request in all respects: for `instanceof`, `clone()`, `new Request(it)`, `fetch(it)`, frameworks. Its
 * prototype stands on the runtime's, and the fields by which the runtime knows its requests lead to the one behind. That
 * is tried out when this module is loaded; where the runtime does not play along, plain Requests are made.
 */

/** What makes the request behind. */
export type MakeRequest = () => Request;

class PooledRequest {
  readonly #method: string;
  readonly #url: string;
  readonly #make: MakeRequest;
  #made: Request | undefined;

  constructor(method: string, url: string, make: MakeRequest) {
    this.#method = method;
    this.#url = url;
    this.#make = make;
  }

  get method(): string {
    return this.#method;
  }

  get url(): string {
    return this.#url;
  }

  static behind(request: PooledRequest): Request {
    return request.#made ??= request.#make();
  }
}

Object.setPrototypeOf(PooledRequest.prototype, Request.prototype);
Object.defineProperty(PooledRequest.prototype, "constructor", {
  value: Request,
  writable: true,
  configurable: true,
});
lendFields();
const works = tryOut();

/** Reads and writes of the runtime's fields go to the request behind; its mark is the same for all requests. */
function lendFields(): void {
  const sample = new Request("http://localhost/") as unknown as Record<symbol, unknown>;
  for (const field of Object.getOwnPropertySymbols(sample)) {
    const isMark = field.description === "[[webidl.brand]]";
    Object.defineProperty(
      PooledRequest.prototype,
      field,
      isMark ? { value: sample[field] } : {
        get(this: PooledRequest): unknown {
          return (PooledRequest.behind(this) as unknown as Record<symbol, unknown>)[field];
        },
        set(this: PooledRequest, value: unknown) {
          (PooledRequest.behind(this) as unknown as Record<symbol, unknown>)[field] = value;
        },
      },
    );
  }
}

function tryOut(): boolean {
  try {
    const url = "http://localhost/a?b";
    const init = { method: "POST", headers: [["x-a", "1"]] as [string, string][], body: "text" };
    const make = () => new PooledRequest("POST", url, () => new Request(url, init)) as unknown as Request;
    const request = make();
    const same = [request, request.clone(), new Request(make()), new Request(make(), { method: "POST" })];
    return same.every((one) =>
      one instanceof Request && one.method === "POST" && one.url === url && one.headers.get("x-a") === "1" &&
      one.body instanceof ReadableStream && !one.bodyUsed && !one.signal.aborted
    ) && request.headers === request.headers && make().text() instanceof Promise;
  } catch {
    return false;
  }
}

/** A request with `method` and `url`; `make` makes the same with all the rest. */
export function pooledRequest(method: string, url: string, make: MakeRequest): Request {
  return works ? new PooledRequest(method, url, make) as unknown as Request : make();
}

/** Whether requests are made lazily on this runtime. */
export const isLazy = works;
