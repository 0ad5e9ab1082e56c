/**
 * The load of the comparison `thrift`: as many calls as connections that wait for each reply can make. Straight on the
 * system's sockets, because a load on this runtime's own would be as slow as the fastest of the servers; Linux and macOS.
 * Every message was built beforehand, and every reply is compared with the one that is expected.
 */
import { strictEqual } from "node:assert/strict";
import process from "node:process";

/** What it is told, as JSON. */
export interface ThriftLoad {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Shake hands first, then a header before every call and every reply. */
  readonly tracking: boolean;
}

/** What it prints, as JSON. */
export interface ThriftLoadReport {
  readonly calls: number;
  readonly perSecond: number;
  /** Share of a core that the load itself needed. */
  readonly busy: number;
}

const name = "sixteen letters!";
const handshake = "__thriftpy_tracing_method_name__v2";

const encoder = new TextEncoder();
const call = 1;
const reply = 2;

function i32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}

function text(value: string): number[] {
  const bytes = encoder.encode(value);
  return [...i32(bytes.length), ...bytes];
}

/** A message of the strict binary protocol, seqid 7. */
function message(method: string, type: number, body: readonly number[]): number[] {
  return [0x80, 1, 0, type, ...text(method), ...i32(7), ...body, 0];
}

const stringField = (id: number, value: string) => [11, 0, id, ...text(value)];

/** The handshake of tracking, version 2, and its answer. */
const shake = [
  message(handshake, call, [8, 0, 2, ...i32(2)]),
  message(handshake, reply, [8, 0, 1, ...i32(2)]),
];
const requestHeader = [
  ...stringField(1, "0b5e4fc2-25f7-4d9e-8b09-6a80db4bb9a4"),
  ...stringField(2, "1.2"),
  0,
];

/** A call and its reply. */
export function helloMessages(tracking: boolean): { request: Uint8Array<ArrayBuffer>; reply: Uint8Array } {
  const request = message("hello", call, stringField(1, name));
  const answer = message("hello", reply, stringField(0, `hello ${name}`));
  return {
    request: new Uint8Array(tracking ? [...requestHeader, ...request] : request),
    reply: new Uint8Array(tracking ? [0, ...answer] : answer),
  };
}

const libc = Deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6";
const pollIn = 1;
const ipv4 = 2;
const stream = 1;

function openLibc() {
  return Deno.dlopen(
    libc,
    {
      socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
      connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
      send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
      recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
      poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
    } as const,
  ).symbols;
}

type Libc = ReturnType<typeof openLibc>;

function connect(system: Libc, port: number): number {
  const address = new Uint8Array(16);
  address.set(Deno.build.os === "darwin" ? [16, ipv4] : [ipv4, 0]);
  address.set([port >> 8, port & 255, 127, 0, 0, 1], 2);
  const socket = system.socket(ipv4, stream, 0);
  if (system.connect(socket, address, 16) !== 0) throw new Error("Cannot connect");
  return socket;
}

/** Sends `bytes`, reads until as many as `wanted` has have come and compares them. */
function exchange(
  system: Libc,
  socket: number,
  bytes: readonly number[] | Uint8Array,
  wanted: ArrayLike<number>,
) {
  system.send(socket, new Uint8Array(bytes), BigInt(bytes.length), 0);
  const read = new Uint8Array(wanted.length);
  for (let at = 0; at < read.length;) {
    const count = Number(system.recv(socket, read.subarray(at), BigInt(read.length - at), 0));
    if (count <= 0) throw new Error("the server closed the connection");
    at += count;
  }
  strictEqual(read.toHex(), Uint8Array.from(wanted).toHex());
}

function run({ port, connections, seconds, tracking }: ThriftLoad): ThriftLoadReport {
  const system = openLibc();
  const { request, reply } = helloMessages(tracking);
  const sockets = Array.from({ length: connections }, () => connect(system, port));
  const polled = new Uint8Array(connections * 8);
  const view = new DataView(polled.buffer);
  for (const [index, socket] of sockets.entries()) {
    if (tracking) exchange(system, socket, shake[0]!, shake[1]!);
    exchange(system, socket, request, reply);
    view.setInt32(index * 8, socket, true);
    view.setInt16(index * 8 + 4, pollIn, true);
  }
  const size = BigInt(request.length);
  const memory = new Uint8Array(reply.length + 1);
  const room = BigInt(memory.length);
  const before = process.cpuUsage();
  const start = performance.now();
  const end = start + seconds * 1000;
  for (const socket of sockets) system.send(socket, request, size, 0);
  let calls = 0;
  let now = start;
  while (now < end) {
    if (system.poll(polled, BigInt(connections), 10_000) <= 0) throw new Error("no reply within 10 s");
    for (let index = 0; index < connections; index++) {
      if (polled[index * 8 + 6] === 0) continue;
      const socket = sockets[index]!;
      const count = Number(system.recv(socket, memory, room, 0));
      // The replies are short: they come in one piece.
      if (count !== reply.length) throw new Error(`a reply of ${count} bytes`);
      if (memory[count - 2] !== reply[count - 2] || memory[8] !== reply[8]) throw new Error("another reply");
      calls++;
      system.send(socket, request, size, 0);
    }
    now = performance.now();
  }
  const { user, system: kernel } = process.cpuUsage(before);
  return {
    calls,
    perSecond: calls / (now - start) * 1000,
    busy: (user + kernel) / 1000 / (now - start),
  };
}

if (import.meta.main) console.log(JSON.stringify(run(JSON.parse(Deno.args[0]!))));
