/**
 * Records of a stream for the tests: `/send?from=…&count=…` sends the numbers and answers when all are as safe as the spool
 * says; `/offer?…` answers with how many were taken; `/split?n=…` offers one and answers at once. Padded to `bytes`.
 */
import type { Context } from "../../../mod.ts";

const filler = "x".repeat(65_536);

export default async function serve(request: Request, ctx: Context): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const from = Number(searchParams.get("from") ?? 0);
  const count = Number(searchParams.get("count") ?? 1);
  const pad = filler.slice(0, Number(searchParams.get("bytes") ?? 0));
  const key = searchParams.get("key") ?? undefined;
  const stream = ctx.stream("records");
  if (pathname === "/offer") {
    let taken = 0;
    for (let n = from; n < from + count; n++) if (stream.offer({ n, pad }, { key })) taken++;
    return new Response(String(taken));
  }
  const sent: Promise<void>[] = [];
  for (let n = from; n < from + count; n++) sent.push(stream.send({ n, pad }, { key }));
  const results = await Promise.allSettled(sent);
  const safe = results.flatMap(({ status }, index) => status === "fulfilled" ? [from + index] : []);
  return Response.json(safe);
}
