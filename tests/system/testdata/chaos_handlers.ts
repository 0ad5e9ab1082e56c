/** Handlers that call upstreams by the first part of the path; `id` comes back in the answer. */
import type { Context } from "../../../core/context.ts";

export default async function serve(request: Request, ctx: Context): Promise<Response> {
  const url = new URL(request.url);
  const id = url.searchParams.get("id")!;
  switch (url.pathname) {
    case "/redis":
      return new Response(await ctx.upstream("cache").command<string>("ECHO", id));
    case "/frames": {
      const reply = await ctx.upstream("orders").request(new TextEncoder().encode(id));
      return new Response(reply as Uint8Array<ArrayBuffer>);
    }
    case "/whole": {
      const reply = await ctx.upstream("users").fetch(`/echo${url.search}`);
      return new Response(await reply.text(), { status: reply.status });
    }
    default:
      return await ctx.upstream("users").fetch(`/echo${url.search}`, { method: request.method, body: request.body });
  }
}
