/** Handlers for hazards_test.ts; what reaches them is kept, because that is what smuggling is about. */
import type { Context } from "../../../core/context.ts";

/** "METHOD path body" of every request that `reading` got. */
export const seen: string[] = [];
/** Bytes that were asked of the endless answer. */
export const endless = { produced: 0, cancelled: 0 };
/** Why the signal of a `waiting` request aborted. */
export const aborted: string[] = [];

const path = (request: Request) => new URL(request.url).pathname;

export async function reading(request: Request): Promise<Response> {
  const body = await request.text();
  seen.push(`${request.method} ${path(request)} ${body}`.trim());
  return new Response("ok");
}

export function ignoring(request: Request): Response {
  seen.push(`${request.method} ${path(request)}`);
  return new Response("ok");
}

export const closing = (): Response => new Response("bye", { headers: { connection: "Close" } });

export const echoing = (request: Request): Response => new Response(request.body);

export async function waiting(_request: Request, context: Context): Promise<Response> {
  context.signal.addEventListener("abort", () => {
    aborted.push((context.signal.reason as { reason: string }).reason);
  });
  await new Promise((resolve) => setTimeout(resolve, 150));
  return new Response("waited", { headers: { "x-late": "yes" } });
}

export function streaming(): Response {
  let left = 3;
  return new Response(
    new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (left-- === 0) return controller.close();
        controller.enqueue(new TextEncoder().encode(`part${left} `));
      },
    }),
  );
}

export function unending(): Response {
  const chunk = new Uint8Array(65536);
  return new Response(
    new ReadableStream({
      pull(controller) {
        endless.produced += chunk.length;
        controller.enqueue(chunk);
      },
      cancel() {
        endless.cancelled++;
      },
    }),
  );
}

export const large = (): Response => new Response("x".repeat(32 * 1024 * 1024));

export function breaking(): Response {
  let left = 2;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new TextEncoder().encode("part"));
        else controller.error(new Error("the source broke"));
      },
    }),
  );
}

const cached = new Response("cached");
/** Gives the same answer twice, which cannot work. */
export const sameAgain = (): Response => cached;

export async function used(): Promise<Response> {
  const response = new Response("read");
  await response.text();
  return response;
}

export const nothing = (): Response => undefined as unknown as Response;

export const networkError = (): Response => Response.error();

export function byPath(request: Request): Response {
  const status = Number(path(request).slice(1)) || 200;
  return new Response([204, 205, 304].includes(status) ? null : "body", { status });
}

/** What a client sent, in a field: no answer that can be sent. */
export function reflecting(request: Request): Response {
  const value = decodeURIComponent(path(request).slice(2));
  if (path(request)[1] === "t") return new Response("x", { headers: { "content-type": value } });
  return new Response("x", { headers: { "x-a": "b", "x-reflected": value } });
}
