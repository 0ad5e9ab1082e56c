/**
 * Clients that know what they must be answered: every answer is the right body, a refusal with its reason, or cut off
 * where it can be seen that it was. Some leave half-way.
 */

/** How one request ended. */
export interface ChaosEnd {
  /** `wrong`: a complete answer that is none to this request. `cut`: no complete answer. `left`: by the client. */
  kind: "right" | "wrong" | "refused" | "cut" | "left";
  /** Reason of a refusal; what was wrong. */
  text: string;
}

/** One request and the body of its answer. */
export interface ChaosRequest {
  method: "GET" | "POST";
  path: string;
  body?: Uint8Array;
  /** Send the body as chunks. */
  chunked?: boolean;
  expected: string;
  /** Leave after so many bytes were written or read; Infinity to stay. */
  leaveAt: number;
  /** Leave after so long; Infinity to stay. */
  leaveMs: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Asks over a connection of its own; waits `longestMs` at most. */
export async function chaosAsk(port: number, request: ChaosRequest, longestMs = 15_000): Promise<ChaosEnd> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let why: ChaosEnd | undefined;
  let open = true;
  const close = (end?: ChaosEnd) => {
    why ??= end;
    if (open) conn.close();
    open = false;
  };
  const limit = setTimeout(() => close({ kind: "cut", text: `nothing for ${longestMs} ms` }), longestMs);
  const leave = () => close({ kind: "left", text: "" });
  const leaving = request.leaveMs < Infinity ? setTimeout(leave, request.leaveMs) : undefined;
  // A request that is refused need not be taken in to its end.
  const writing = send(conn, request, leave).catch(() => {});
  try {
    const text = await receive(conn, request.leaveAt);
    if (text === undefined) leave();
    return why ?? judge(text!, request.expected);
  } catch (error) {
    return why ?? { kind: "cut", text: String(error) };
  } finally {
    clearTimeout(limit);
    clearTimeout(leaving);
    close();
    await writing;
  }
}

async function send(conn: Deno.Conn, request: ChaosRequest, leave: () => void): Promise<void> {
  const { method, path, body = new Uint8Array(0), chunked = false, leaveAt } = request;
  const framing = chunked ? "transfer-encoding: chunked" : `content-length: ${body.length}`;
  const fields = `host: h\r\nconnection: close\r\n${method === "GET" ? "" : `${framing}\r\n`}`;
  await write(conn, encoder.encode(`${method} ${path} HTTP/1.1\r\n${fields}\r\n`));
  if (method === "GET") return;
  for (let at = 0; at < body.length; at += 8192) {
    if (at > leaveAt) return leave();
    const piece = body.subarray(at, at + 8192);
    if (chunked) await write(conn, encoder.encode(`${piece.length.toString(16)}\r\n`));
    await write(conn, piece);
    if (chunked) await write(conn, encoder.encode("\r\n"));
  }
  if (chunked) await write(conn, encoder.encode("0\r\n\r\n"));
}

async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** All that comes; undefined where it left. */
async function receive(conn: Deno.Conn, leaveAt: number): Promise<string | undefined> {
  const chunk = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const count = await conn.read(chunk);
    if (count === null) return text;
    text += decoder.decode(chunk.subarray(0, count));
    if (text.length > leaveAt) return undefined;
  }
}

function judge(text: string, expected: string): ChaosEnd {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return { kind: "cut", text: text === "" ? "nothing" : "head" };
  const head = text.slice(0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const reason = /\r\nx-weir-reason: *([^\r]*)/.exec(head)?.[1] ?? "";
  if (reason !== "") return { kind: "refused", text: reason };
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  const raw = text.slice(end + 4);
  const body = length === undefined ? dechunked(raw) : raw.length === Number(length) ? raw : undefined;
  if (body === undefined) return { kind: "cut", text: "body" };
  // What the backend says of itself comes through.
  if (status === 503 && body.endsWith(" is refused")) return { kind: "refused", text: "503" };
  if (status === 200 && body === expected) return { kind: "right", text: "" };
  return {
    kind: "wrong",
    text: `${status} ${body.length} bytes: ${body.slice(0, 60)}, not ${expected.slice(0, 60)}`,
  };
}

/** Undefined where the last chunk is missing. */
function dechunked(raw: string): string | undefined {
  let body = "";
  for (let at = 0;;) {
    const line = raw.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = parseInt(raw.slice(at, line), 16);
    if (size === 0) return body;
    if (raw.length < line + 4 + size) return undefined;
    body += raw.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
}
