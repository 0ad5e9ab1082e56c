/** `GET /<upstream>`: says hello to the upstream of that name, over Thrift. */
import type { Context } from "../../../core/context.ts";

export default async function call(request: Request, ctx: Context): Promise<Response> {
  const upstream = ctx.upstream(new URL(request.url).pathname.slice(1));
  try {
    return Response.json({ reply: await upstream.call<string>("hello", { name: "bob" }) });
  } catch (error) {
    const { name, failure, message } = error as Error & { failure?: string };
    return Response.json({ name, failure, message });
  }
}
