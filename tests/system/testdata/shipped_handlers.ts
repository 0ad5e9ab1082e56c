/** `/<stream>?from=…&count=…&wait=…`: sends the numbers to that stream, after so many ms, and answers when the kernel has them. */
import type { Context } from "../../../mod.ts";

export default async function serve(request: Request, ctx: Context): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const number = (name: string, otherwise: number) => Number(searchParams.get(name) ?? otherwise);
  const wait = number("wait", 0);
  if (wait > 0) {
    console.log("a slow sender waits");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  const [from, count] = [number("from", 0), number("count", 1)];
  const stream = ctx.stream(pathname.slice(1));
  await Promise.all(Array.from({ length: count }, (_, index) => stream.send({ n: from + index })));
  return new Response("sent");
}
