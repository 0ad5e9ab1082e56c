/**
 * `chaos_backend.ts <http port> <https port> <frames port> <folder of certificates>`: answers with the id of what it was
 * asked, and misbehaves as often as the last line of stdin says (0 to 1). HTTP: `/echo?id=…&size=…` with the id, a
 * filling and the id again; bodies of requests are answered with id, length and sum. Frames: 4 bytes of length, replied to
 * with `re:` before.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer as createFrameServer, type Socket } from "node:net";
import process from "node:process";
import { Buffer } from "node:buffer";

const [http, https, frames, folder] = process.argv.slice(2);
let wildness = 0;

const misdeeds = ["delay", "garbage", "half", "leave", "silence", "error"] as const;
type Misdeed = typeof misdeeds[number];

function misdeed(): Misdeed | undefined {
  return Math.random() < wildness ? misdeeds[Math.floor(Math.random() * misdeeds.length)] : undefined;
}

function echo(id: string, size: number): string {
  return `${id}:${id.charAt(id.length - 1).repeat(size)}:${id}`;
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, "http://h");
  const id = url.searchParams.get("id") ?? "none";
  const { socket } = request;
  const what = misdeed();
  if (what === "leave" && Math.random() < 0.5) return void socket.destroy();
  let length = 0, sum = 0;
  try {
    for await (const piece of request) {
      length += piece.length;
      for (const byte of piece as Buffer) sum = (sum + byte) % 65_536;
    }
  } catch {
    return;
  }
  const body = request.method === "POST"
    ? `${id}:${length}:${sum}`
    : echo(id, Number(url.searchParams.get("size") ?? 0));
  switch (what) {
    case "delay":
      await new Promise((resolve) => setTimeout(resolve, Math.random() ** 2 * 1200));
      break;
    case "garbage":
      return void socket.end(`HTTP/1.1 ${Math.random() < 0.5 ? "banana" : "200 OK\r\ncontent-length: -5"}\r\n\r\n`);
    case "half":
      response.writeHead(200, { "content-length": body.length });
      response.write(body.slice(0, body.length / 2));
      return void setTimeout(() => socket.destroy(), Math.random() * 50);
    case "leave":
      return void socket.destroy();
    case "silence":
      return void setTimeout(() => socket.destroy(), 3000);
    case "error":
      response.writeHead(503, { "retry-after": "0" });
      return void response.end(`${id} is refused`);
  }
  if (Math.random() < 0.5) return void response.end(body);
  response.writeHead(200, { "content-length": body.length });
  for (let at = 0; at < body.length; at += 20_000) response.write(body.slice(at, at + 20_000));
  response.end();
}

function frame(text: string): Buffer {
  const bytes = Buffer.alloc(4 + text.length);
  bytes.writeUInt32BE(text.length);
  bytes.write(text, 4);
  return bytes;
}

function serveFrames(socket: Socket): void {
  let left = Buffer.alloc(0);
  let turn: Promise<void> = Promise.resolve();
  socket.on("error", () => {});
  socket.on("data", (piece: Buffer) => {
    left = Buffer.concat([left, piece]);
    while (left.length >= 4 && left.length >= 4 + left.readUInt32BE()) {
      const text = left.subarray(4, 4 + left.readUInt32BE()).toString();
      left = left.subarray(4 + text.length);
      turn = turn.then(() => answerFrame(socket, text));
    }
  });
}

async function answerFrame(socket: Socket, text: string): Promise<void> {
  const reply = frame(`re:${text}`);
  switch (misdeed()) {
    case "delay":
      await new Promise((resolve) => setTimeout(resolve, Math.random() ** 2 * 1200));
      break;
    case "garbage":
      return void socket.end(Buffer.from([255, 255, 255, 255, 1, 2, 3]));
    case "half":
      return void socket.end(reply.subarray(0, reply.length / 2));
    case "leave":
    case "error":
      return void socket.destroy();
    case "silence":
      await new Promise((resolve) => setTimeout(resolve, 3000));
  }
  if (!socket.destroyed) socket.write(reply);
}

const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
const listening = [
  createServer(serve).listen(Number(http), "127.0.0.1"),
  createSecureServer({ cert: read("server.pem"), key: read("server.key") }, serve).listen(Number(https), "127.0.0.1"),
  createFrameServer(serveFrames).listen(Number(frames), "127.0.0.1"),
];
await Promise.all(listening.map((server) => new Promise((resolve) => server.once("listening", resolve))));
console.log("ready");

for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  wildness = Number(piece.trim().split("\n").at(-1));
}
// Whoever started it is gone.
Deno.exit(0);
