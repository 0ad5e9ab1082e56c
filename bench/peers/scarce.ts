/**
 * A handler that needs something scarce for 10 ms: of the 8 that there are, one must be free. Whoever calls it when
 * none is free waits in a line without end, as it is with a pool of database connections.
 */
let free = 8;
const waiting: Array<() => void> = [];

export async function fetch(_request: Request): Promise<Response> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  await new Promise((resolve) => setTimeout(resolve, 10));
  const next = waiting.shift();
  if (next) next();
  else free++;
  return Response.json({ ok: true });
}

export default { fetch };

if (import.meta.main) {
  const port = Number(Deno.env.get("PORT"));
  Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, fetch);
}
