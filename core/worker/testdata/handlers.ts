import type { Context } from "../../context.ts";

export default (request: Request): Response => new Response(`hello ${new URL(request.url).pathname}`);

export function throwing(): Response {
  throw new Error("secret of the house");
}

export const aborted = Promise.withResolvers<string>();

export async function waiting(request: Request, context: Context): Promise<Response> {
  const ms = Number(new URL(request.url).searchParams.get("ms"));
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    context.signal.addEventListener("abort", () => {
      aborted.resolve((context.signal.reason as { reason: string }).reason);
      clearTimeout(timer);
      resolve();
    });
  });
  return new Response("waited");
}

export const reading = {
  async fetch(request: Request): Promise<Response> {
    return new Response(String((await request.text()).length));
  },
};

export function socket(request: Request): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = (event) => socket.send(event.data);
  return response;
}

export const echoing = (request: Request): Response => new Response(request.body);

export const client = (_request: Request, context: Context): Response => new Response(context.request.client);
