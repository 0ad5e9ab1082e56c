/** Runs the load of redis_loop.mjs where a handler would make its calls; the query says how long. */
import type { Context } from "../../mod.ts";
import { measure } from "./redis_loop.mjs";

export default async function run(request: Request, ctx: Context): Promise<Response> {
  const { searchParams } = new URL(request.url);
  if (!searchParams.has("load")) return new Response("ready");
  const client = {
    set: (key: string, value: string) => ctx.upstream("cache").command("SET", key, value),
    get: (key: string) => ctx.upstream("cache").command("GET", key),
  };
  return Response.json(await measure(client, JSON.parse(searchParams.get("load")!)));
}
