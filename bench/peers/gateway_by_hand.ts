/** What one writes by hand for a proxy of GET requests: no limits, no checks, no second attempt, nothing measured. */
const port = Number(Deno.env.get("PORT"));
const backend = { hostname: "127.0.0.1", port: Number(Deno.env.get("BACKEND_PORT")) };
const idle: Deno.TcpConn[] = [];
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
  const { url } = request;
  let head = `GET ${url.slice(url.indexOf("/", 8))} HTTP/1.1\r\n`;
  for (const [name, value] of request.headers) head += `${name}: ${value}\r\n`;
  const conn = idle.pop() ?? await connect();
  await writeAll(conn, encoder.encode(head + "\r\n"));
  const reply = await readReply(conn);
  idle.push(conn);
  return reply;
});

async function connect(): Promise<Deno.TcpConn> {
  const conn = await Deno.connect(backend);
  conn.setNoDelay(true);
  return conn;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/** Only replies with a content-length, whose head comes in one piece. */
async function readReply(conn: Deno.Conn): Promise<Response> {
  const memory = new Uint8Array(32 * 1024);
  let count = await conn.read(memory) ?? 0;
  const text = decoder.decode(memory.subarray(0, count));
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) throw new Error("no head");
  const lines = text.slice(0, end).split("\r\n");
  const fields = lines.slice(1).map((line) => line.split(": ", 2) as [string, string]);
  const length = Number(fields.find(([name]) => name.toLowerCase() === "content-length")?.[1]);
  while (count < end + 4 + length) count += await conn.read(memory.subarray(count)) ?? Infinity;
  const passed = fields.filter(([name]) => !/^(?:connection|content-length)$/i.test(name));
  const body = memory.subarray(end + 4, end + 4 + length);
  return new Response(body, { status: Number(lines[0].slice(9, 12)), headers: passed });
}
