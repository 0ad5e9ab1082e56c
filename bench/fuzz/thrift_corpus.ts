/** Messages of Thrift as clients and servers of the test service send them, in every form that is spoken. */
import { errorReply, exceptionReply, resultReply, writerFor } from "../../protocols/thrift/answer.ts";
import { loadService } from "../../protocols/thrift/idl/load.ts";
import { type MethodCodec, serviceCodec } from "../../protocols/thrift/service_codec.ts";
import { everything } from "../../protocols/thrift/testdata/battery.ts";
import { hex } from "../../protocols/thrift/testdata/test_host.ts";
import { vectors } from "../../protocols/thrift/testdata/vectors.ts";
import { ThriftException } from "../../protocols/thrift/thrift_exception.ts";
import { handshakeMethod, requestHeader, upgradeArgs } from "../../protocols/thrift/tracking.ts";
import type { Mode } from "../../protocols/thrift/wire/transport.ts";
import { MessageType } from "../../protocols/thrift/wire/ttype.ts";
import { joined, type Sample, samplesOf } from "./mutation.ts";

/** The service of the messages. */
export const service = serviceCodec(
  loadService(new URL("../../protocols/thrift/testdata/everything.thrift", import.meta.url).pathname, "Test"),
);

/** How messages are written: protocols, and the binary one as before 0.2. */
export const modes: readonly Mode[] = [
  { framed: false, protocol: "binary", strict: true },
  { framed: false, protocol: "binary", strict: false },
  { framed: false, protocol: "compact", strict: true },
];

const calls: ReadonlyArray<readonly [name: string, args: Record<string, unknown>]> = [
  ["ping", {}],
  ["nop", {}],
  ["hello", { name: "bob" }],
  ["hello", { name: "h\u00e9llo \u2603 ".repeat(40) }],
  ["echo", { value: everything }],
  ["add", { left: 2n ** 62n, right: 1 }],
  ["split", { text: "a,b,c", by: "," }],
  ["fail", { how: "missing" }],
  ["fail", { how: "refused" }],
  ["shout", { text: "loud" }],
  ["who", {}],
  ["reverse", { bytes: new Uint8Array([1, 200, 3]) }],
  ["wait", { ms: 1 }],
];

const header = {
  request_id: "rid-1",
  seq: "1.2",
  meta: { tenant: "seven", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
};

/** Calls, one message each, of `mode`; with a tracking header before each where `tracked`. */
export function callsOf(mode: Mode, tracked = false): Uint8Array[] {
  return calls.map(([name, args], index) => {
    const method = service.methods.get(name)!;
    const writer = writerFor(mode);
    if (tracked) requestHeader.write(writer, header);
    writer.messageBegin(name, method.oneway ? MessageType.oneway : MessageType.call, index + 1);
    method.args.write(writer, args);
    return writer.sink.copy();
  });
}

/** The call that begins tracking, as version `version` and from a client of that name. */
export function handshakeOf(mode: Mode, version: number): Uint8Array {
  const writer = writerFor(mode);
  writer.messageBegin(handshakeMethod, MessageType.call, 0);
  upgradeArgs.write(writer, { app_id: "interop", version });
  return writer.sink.copy();
}

/** Results, declared exceptions and other errors, one message each, of `mode`; `version` is that of tracking. */
export function repliesOf(mode: Mode, version: number): Uint8Array[] {
  const to = (method: MethodCodec) => ({ mode, version, seqid: 7, name: method.name });
  const result = (name: string, value: unknown, meta?: Record<string, string>) => {
    const method = service.methods.get(name)!;
    return resultReply(to(method), method, value, meta);
  };
  const fail = service.methods.get("fail")!;
  const missing = new ThriftException("NotFound", { key: "k", inner: { name: "n" } });
  return [
    result("nop", undefined),
    result("hello", "hi bob", { shard: "3", waited: "1" }),
    result("echo", everything),
    result("add", 2n ** 62n),
    result("split", ["a", "b", "c"]),
    result("who", { id: "rid-1", rpcId: "1.2" }),
    result("reverse", new Uint8Array(300).fill(200)),
    exceptionReply(to(fail), fail, missing)!,
    errorReply(to(fail), 6, "queue_full: as many requests run and wait as may"),
  ];
}

/** What thriftpy2 sent, byte for byte: whole connections' worth of it, with tracking and without. */
export function observed(): Uint8Array[] {
  const { handshake, header, hello, nop, nobody, handshakeOf } = vectors;
  return [
    [handshake, header, hello],
    [handshake, header, nop, header, nobody],
    [handshakeOf(1), header, hello],
    [handshakeOf(0), header, hello],
    [hello, nop, nobody],
  ].map((texts) => hex(texts.join(" ")));
}

/** What thriftpy2 sent as replies. */
export function observedReplies(): Uint8Array[] {
  const { meta, noMeta, helloReply, nopReply } = vectors;
  return [meta + helloReply, noMeta + nopReply, helloReply, nopReply].map(hex);
}

/** What clients send over connections: several calls each, over both transports, tracked or not. */
export function connections(): Array<Sample> {
  const streams = observed();
  for (const mode of modes) {
    for (const framed of [false, true]) {
      const wrap = framed ? frame : (message: Uint8Array) => message;
      for (const version of [0, 1, 2]) {
        const all = callsOf(mode, version > 0).map(wrap);
        const first = version > 0 ? [wrap(handshakeOf(mode, version))] : [];
        for (const message of all) streams.push(joined(...first, message));
        streams.push(joined(...first, ...all), joined(...first, ...all.slice(0, 4)));
      }
    }
  }
  return samplesOf(streams);
}

/** A message with its length before it: the framed transport. */
export function frame(message: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setInt32(0, message.length);
  return joined(length, message);
}
