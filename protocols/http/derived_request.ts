/**
 * A request that stands for another one: with its URL changed, or its body bounded. Its signal is the one of the first,
 * asked for only when somebody wants it (the runtime makes it, and says so, on first use), and it is upgraded on the
 * connection of the first.
 */

const origin = Symbol("origin");

/** `request` at `url` with `body`. */
export function derivedRequest(
  request: Request,
  url: string | URL,
  body: ReadableStream<Uint8Array> | null,
): Request {
  const init = { method: request.method, headers: request.headers, body } as RequestInit;
  const derived = new Request(url, init) as Request & { [origin]?: Request };
  Object.defineProperty(derived, "signal", { get: () => request.signal });
  derived[origin] = originOf(request);
  return derived;
}

/** The request that came in. */
export function originOf(request: Request): Request {
  return (request as { [origin]?: Request })[origin] ?? request;
}
