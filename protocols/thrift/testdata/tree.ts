/** Three services of one call tree: HTTP calls Thrift, which calls HTTP twice, which tells what it was told. */
import type { Context } from "../../../core/context.ts";
import handler from "./handler.ts";

export const web = {
  async fetch(request: Request, ctx: Context): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const method = searchParams.get("method") ?? "who";
    try {
      const options = { idempotent: searchParams.has("idempotent") };
      const args = JSON.parse(searchParams.get("args") ?? "{}");
      const reply = await ctx.upstream("rpc").call<unknown>(method, args, options);
      return Response.json(reply instanceof Map ? Object.fromEntries(reply) : reply);
    } catch (error) {
      const { name, failure, kind, message } = error as Error & { failure?: string; kind?: string };
      return Response.json({ name, failure, kind, message }, { status: 500 });
    }
  },
};

export const rpc = {
  ...handler,
  async who(_: unknown, ctx: Context) {
    const upstream = ctx.upstream("leaf");
    const [first, second] = [await (await upstream.fetch("/")).json(), await (await upstream.fetch("/")).json()];
    const { id, rpcId, client, meta } = ctx.request;
    return { rpc: JSON.stringify({ id, rpcId, client, meta }), first: JSON.stringify(first), second: JSON.stringify(second) };
  },
};

export const leaf = {
  fetch(request: Request, { request: { id, rpcId, client, meta } }: Context): Response {
    return Response.json({ id, rpcId, client, meta, traceparent: request.headers.get("traceparent") });
  },
};
