/** What one writes by hand for frames: a length of four bytes on PORT, lines on the port after it; no limits. */
const port = Number(Deno.env.get("PORT"));

serve(port, (bytes, at) => {
  if (bytes.length - at < 4) return undefined;
  const from = at + 4;
  return [from, from + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0), 0];
});
serve(port + 1, (bytes, at) => {
  const to = bytes.indexOf(10, at);
  return to < 0 ? undefined : [at, to, 1];
});

type Cut = (bytes: Uint8Array, at: number) => [from: number, to: number, tail: number] | undefined;

async function serve(port: number, cut: Cut): Promise<void> {
  for await (const conn of Deno.listen({ hostname: "127.0.0.1", port })) {
    conn.setNoDelay(true);
    answer(conn, cut).catch(() => {});
  }
}

async function answer(conn: Deno.TcpConn, cut: Cut): Promise<void> {
  using _ = conn;
  const memory = new Uint8Array(64 * 1024);
  let rest = new Uint8Array(0);
  for (;;) {
    const count = await conn.read(memory);
    if (count === null) return;
    const bytes = new Uint8Array(rest.length + count);
    bytes.set(rest);
    bytes.set(memory.subarray(0, count), rest.length);
    const replies: Uint8Array[] = [];
    let at = 0;
    for (let found = cut(bytes, at); found; found = cut(bytes, at)) {
      const [from, to, tail] = found;
      if (to + tail > bytes.length) break;
      replies.push(reply(bytes.subarray(from, to), tail));
      at = to + tail;
    }
    rest = bytes.slice(at);
    for (const bytes of replies) {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    }
  }
}

function reply(frame: Uint8Array, tail: number): Uint8Array {
  const bytes = new Uint8Array(frame.length + (tail || 4));
  if (tail === 0) new DataView(bytes.buffer).setUint32(0, frame.length);
  else bytes[frame.length] = 10;
  bytes.set(frame, tail === 0 ? 4 : 0);
  return bytes;
}
