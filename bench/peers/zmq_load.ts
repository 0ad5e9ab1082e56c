/**
 * The load of bench/zmq.ts, a process of its own: blocking calls of libzmq, so that it is never the slower side. Its one
 * argument says what to do; it prints messages per second.
 */
import { text, zmqLibrary } from "../../protocols/zmq/library.ts";

interface Load {
  readonly kind: "pull" | "router";
  readonly port: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly inFlight: number;
}

const types = { dealer: 5, push: 8 };
const warmUpMs = 500;
const sendMore = 2;

const { path } = await zmqLibrary();
const { symbols: zmq } = Deno.dlopen(path, {
  zmq_ctx_new: { parameters: [], result: "pointer" },
  zmq_socket: { parameters: ["pointer", "i32"], result: "pointer" },
  zmq_connect: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_setsockopt: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
  zmq_send: { parameters: ["pointer", "pointer", "u32", "i32"], result: "i32" },
  zmq_recv: { parameters: ["pointer", "pointer", "u32", "i32"], result: "i32" },
});

const load: Load = JSON.parse(Deno.args[0]!);
const socket = zmq.zmq_socket(zmq.zmq_ctx_new(), load.kind === "pull" ? types.push : types.dealer);
const second = new Uint8Array(new Int32Array([2000]).buffer);
for (const option of [27, 28]) zmq.zmq_setsockopt(socket, option, second, 4); // RCVTIMEO, SNDTIMEO
zmq.zmq_connect(socket, text(`tcp://127.0.0.1:${load.port}`));
const message = new Uint8Array(load.bytes).fill(0x61);
const room = new Uint8Array(4096);
const messageAt = Deno.UnsafePointer.of(message);
const roomAt = Deno.UnsafePointer.of(room);
const step = load.kind === "pull" ? push : ask;
if (load.kind === "router") { for (let i = 0; i < load.inFlight; i++) send(); }
step(performance.now() + warmUpMs);
const started = performance.now();
const count = step(started + load.seconds * 1000);
console.log(JSON.stringify(count / (performance.now() - started) * 1000));
Deno.exit(0);

/** Sends until then; the high-water marks make it wait for the receiver. */
function push(untilMs: number): number {
  let sent = 0;
  while (performance.now() < untilMs) {
    for (let i = 0; i < 1000; i++) {
      if (zmq.zmq_send(socket, messageAt, load.bytes, 0) < 0) throw new Error("nobody takes messages");
    }
    sent += 1000;
  }
  return sent;
}

function send(): void {
  if (zmq.zmq_send(socket, messageAt, 0, sendMore) < 0) throw new Error("nobody takes requests");
  zmq.zmq_send(socket, messageAt, load.bytes, 0);
}

/** Asks as often as there are answers, so that as many are in flight as before. */
function ask(untilMs: number): number {
  let answered = 0;
  while (performance.now() < untilMs) {
    for (let i = 0; i < 64; i++) {
      const empty = zmq.zmq_recv(socket, roomAt, room.length, 0);
      const size = zmq.zmq_recv(socket, roomAt, room.length, 0);
      if (empty !== 0 || size !== load.bytes) {
        throw new Error(`a reply is not what was sent: ${empty}, ${size}`);
      }
      send();
    }
    answered += 64;
  }
  return answered;
}
