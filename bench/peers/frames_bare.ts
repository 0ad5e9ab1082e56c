/** The least there is: bytes back as they come, no framing, no limits. */
const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")) });

for await (const conn of listener) {
  conn.setNoDelay(true);
  echo(conn).catch(() => {});
}

async function echo(conn: Deno.TcpConn): Promise<void> {
  using _ = conn;
  const memory = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await conn.read(memory);
    if (count === null) return;
    for (let at = 0; at < count;) at += await conn.write(memory.subarray(at, count));
  }
}
