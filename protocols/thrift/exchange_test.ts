import assert from "node:assert/strict";
import { Phase } from "../../core/protocol.ts";
import { applicationErrors, applicationException } from "./application_exception.ts";
import { loadService } from "./idl/load.ts";
import { serviceCodec } from "./service_codec.ts";
import { open, settled } from "./testdata/test_host.ts";
import { BinaryReader, BinaryWriter } from "./wire/binary_protocol.ts";
import { MessageCutter } from "./wire/transport.ts";
import { MessageType } from "./wire/ttype.ts";

const service = serviceCodec(
  loadService(new URL("testdata/everything.thrift", import.meta.url).pathname, "Test"),
);
const writer = new BinaryWriter();
const reader = new BinaryReader();

function call(
  name: string,
  args: Record<string, unknown> = {},
  seqid = 1,
  type: number = MessageType.call,
): Uint8Array {
  writer.sink.clear();
  writer.messageBegin(name, type, seqid);
  const method = service.methods.get(name);
  if (method) method.args.write(writer, args);
  else writer.stop();
  return writer.sink.copy();
}

/** Everything that stands in `output`: name, seqid and result, or the error's number and message. */
function replies(output: Uint8Array): unknown[] {
  const cutter = new MessageCutter(1 << 24, { framed: false, protocol: "binary", strict: true });
  const found: unknown[] = [];
  for (let at = 0; at < output.length;) {
    const room = cutter.room();
    const part = output.subarray(at, at + room.length);
    room.set(part);
    cutter.filled(part.length);
    at += part.length;
    while (cutter.next(false)) {
      const head = { name: "", type: 0, seqid: 0 };
      reader.open(cutter.bytes, cutter.from, cutter.to);
      reader.messageBegin(head);
      if (head.type === MessageType.exception) {
        const { type, message } = applicationException.read(reader);
        found.push([head.name, head.seqid, type, message]);
      } else found.push([head.name, head.seqid, service.methods.get(head.name)!.result.read(reader)]);
    }
  }
  return found;
}

const hello = ({ name }: { name: string }) => `hi ${name}`;

Deno.test("exchange() answers in the order of the calls, however their handlers finish", async () => {
  const gates = new Map<string, () => void>();
  const { stream } = await open({
    hello: ({ name }: { name: string }) => new Promise((resolve) => gates.set(name, () => resolve(name))),
    ping: () => "pong",
  });
  stream.feed(call("hello", { name: "a" }, 7), call("hello", { name: "b" }, 8), call("ping", {}, 9));
  await settled();
  gates.get("b")!();
  await settled();
  assert.equal(stream.output.length, 0);
  gates.get("a")!();
  await settled();
  assert.deepEqual(replies(stream.output), [
    ["hello", 7, { success: "a" }],
    ["hello", 8, { success: "b" }],
    ["ping", 9, { success: "pong" }],
  ]);
});

Deno.test("exchange() goes on after what it can answer: unknown methods, wrong arguments, refusals, failures", async () => {
  const { stream, host } = await open({
    hello: ({ name }: { name: string }) => name === "fail" ? Promise.reject(new Error("secret")) : 7,
    ping: () => "pong",
  });
  host.admit = ({ name }) => name === "nop" ? "queue_full" : undefined;
  writer.sink.clear();
  writer.messageBegin("echo", MessageType.call, 4);
  // `inner.name` is required.
  writer.fieldBegin(12, 1);
  writer.fieldBegin(12, 13);
  for (let n = 0; n < 3; n++) writer.stop();
  const incomplete = writer.sink.copy();
  stream.feed(call("nobody", {}, 1), call("nop", {}, 2), call("hello", { name: "fail" }, 3), incomplete);
  stream.feed(call("hello", { name: "x" }, 5), call("ping", {}, 6));
  await settled();
  const { unknownMethod, internalError, protocolError } = applicationErrors;
  assert.deepEqual(replies(stream.output), [
    ["nobody", 1, unknownMethod, "Unknown method nobody"],
    ["nop", 2, internalError, "queue_full: as many requests run and wait as may"],
    ["hello", 3, internalError, "handler_error: the handler failed"],
    ["echo", 4, protocolError, "bad_request: Inner lacks its required field name"],
    ["hello", 5, internalError, "handler_error: the handler failed"],
    ["ping", 6, { success: "pong" }],
  ]);
  assert.deepEqual(host.refusals.map(([reason]) => reason), ["no_route", "bad_request"]);
  assert.deepEqual(host.errors, ["secret", "hello answered wrongly: success: must be a string, not 7"]);
  assert.ok(!stream.closed);
});

Deno.test("exchange() takes no more than `pipeline` calls at once from a connection", async () => {
  const gates: Array<() => void> = [];
  let most = 0;
  let running = 0;
  const { stream } = await open({
    async hello() {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running--;
      return "x";
    },
    async shout() {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running--;
    },
  }, { pipeline: 4 });
  for (let n = 0; n < 20; n++) {
    stream.feed(
      n % 2 === 0 ? call("hello", { name: "x" }, n) : call("shout", { text: "x" }, n, MessageType.oneway),
    );
  }
  for (let n = 0; n < 20; n++) {
    await settled();
    gates.shift()!();
  }
  await settled();
  assert.equal(most, 4);
  assert.equal(replies(stream.output).length, 10);
});

Deno.test("exchange() answers what came before bytes that make no message, and ends", async () => {
  const { stream, host, connection } = await open({ hello });
  stream.feed(call("hello", { name: "a" }), "GET / HTTP/1.1\r\n\r\n", null);
  assert.equal(await connection.ended, "protocol_error");
  assert.deepEqual(replies(stream.output), [["hello", 1, { success: "hi a" }]]);
  assert.deepEqual(host.refusals.map(([reason]) => reason), ["protocol_error"]);
  const alien = await open({ hello });
  alien.stream.feed("GET / HTTP/1.1\r\n\r\n");
  assert.equal(await alien.connection.ended, "protocol_error");
  assert.equal(alien.stream.output.length, 0);
});

Deno.test("exchange() ends on messages that are too long, without waiting for them", async () => {
  const { stream, connection } = await open({ hello }, { limits: { message: 1000 } });
  stream.feed(call("hello", { name: "x".repeat(2000) }).subarray(0, 100));
  assert.equal(await connection.ended, "body_too_large");
  const framed = await open({ hello }, { limits: { message: 1000 } });
  framed.stream.feed(new Uint8Array([0, 0, 4, 0, 0x80, 1]));
  assert.equal(await framed.connection.ended, "body_too_large");
});

Deno.test("exchange() tells the guard where a connection is", async () => {
  let release = () => {};
  const { stream, connection } = await open({
    hello: () => new Promise((resolve) => release = () => resolve("x")),
  });
  const message = call("hello", { name: "abc" });
  stream.feed(message.subarray(0, 9));
  await settled();
  assert.equal(connection.phases.at(-1), Phase.head);
  stream.feed(message.subarray(9));
  await settled();
  assert.equal(connection.phases.at(-1), Phase.serving);
  release();
  await settled();
  assert.equal(connection.phases.at(-1), Phase.idle);
});

Deno.test("exchange() closes idle connections at a drain, and delivers what is in flight first", async () => {
  const idle = await open({ hello });
  idle.stream.feed(call("hello", { name: "a" }));
  await settled();
  idle.connection.finish();
  assert.equal(await idle.connection.ended, "drain");
  const silent = await open({ hello });
  silent.connection.finish();
  assert.equal(await silent.connection.ended, "drain");

  let release = () => {};
  const { stream, connection, host } = await open({
    hello: () => new Promise((resolve) => release = () => resolve("late")),
    ping: () => "pong",
  });
  stream.feed(call("hello", { name: "a" }, 1));
  await settled();
  connection.finish();
  // What comes now is refused: somebody else will do it.
  stream.feed(call("ping", {}, 2));
  await settled();
  assert.ok(!stream.closed);
  release();
  assert.equal(await connection.ended, "drain");
  assert.deepEqual(replies(stream.output), [
    ["hello", 1, { success: "late" }],
    ["ping", 2, applicationErrors.internalError, "draining: the service is stopping"],
  ]);
  assert.deepEqual(host.refusals.map(([reason]) => reason), ["draining"]);
});

Deno.test("exchange() answers the health method itself, closing while the worker drains", async () => {
  let release = () => {};
  const methods = { hello: () => new Promise((resolve) => release = () => resolve("late")) };
  const { stream, connection } = await open(methods, { health: "ping" });
  stream.feed(call("ping", {}, 1), call("hello", { name: "a" }, 2));
  await settled();
  connection.closing = true;
  stream.feed(call("ping", {}, 3));
  await settled();
  release();
  assert.equal(await connection.ended, "drain");
  assert.deepEqual(replies(stream.output), [
    ["ping", 1, { success: "ok" }],
    ["hello", 2, { success: "late" }],
    ["ping", 3, { success: "closing" }],
  ]);
  const empty = await open(methods, { health: "nop" });
  empty.stream.feed(call("nop", {}, 1));
  await settled();
  empty.connection.closing = true;
  empty.stream.feed(call("nop", {}, 2));
  await empty.connection.ended;
  assert.deepEqual(replies(empty.stream.output), [
    ["nop", 1, {}],
    ["nop", 2, applicationErrors.internalError, "draining: the service is stopping"],
  ]);
});

Deno.test("exchange() reads nothing while the peer does not read its replies", async () => {
  const { stream } = await open({ hello: () => "x".repeat(100_000) });
  stream.reading = false;
  for (let n = 0; n < 50; n++) stream.feed(call("hello", { name: "a" }, n));
  await settled();
  const { unread } = stream;
  assert.ok(unread > 0, "it went on reading");
  stream.reading = true;
  for (let n = 0; n < 20; n++) await settled();
  assert.equal(replies(stream.output).length, 50);
});

Deno.test("thrift.make() finds what cannot work before a port is bound", async () => {
  await assert.rejects(open({}, { idl: "/nowhere.thrift" }), /nowhere/);
  await assert.rejects(open({}, { service: "Tset" }), /there is no service `Tset`/);
  await assert.rejects(open({ hello: "no function" }), /Cannot serve Test with .*: it lacks hello/);
  await assert.rejects(open({}, { health: "add" }), /Cannot answer add of Test: it must return bool/);
  await assert.rejects(open({}, { health: "nobody" }), /Cannot answer nobody: Test has no such method/);
});
