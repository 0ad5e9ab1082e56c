/** Handlers that call upstreams: `/handler/<name>/…` passes the request on, `/redis` adds one to a number. */
import type { Context } from "../../../core/context.ts";

export default async function serve(request: Request, ctx: Context): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/redis") return new Response(String(await ctx.upstream("cache").command("INCR", "n")));
  const [, , name, ...rest] = pathname.split("/");
  const number = request.headers.get("x-number");
  return await ctx.upstream(name!).fetch(`/${rest.join("/")}`, {
    method: request.method,
    headers: number === null ? {} : { "x-number": number },
  });
}
