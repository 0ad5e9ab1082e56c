import assert from "node:assert/strict";
import { Endpoint } from "../../../core/endpoint.ts";
import { ManualClock } from "../../../core/upstream/testdata/scripted.ts";
import { UpstreamError } from "../../../core/upstream_error.ts";
import { ApplicationException } from "../application_exception.ts";
import { vectors } from "../testdata/vectors.ts";
import { ThriftException } from "../thrift_exception.ts";
import { connect } from "./testdata/scripted_server.ts";
import { judge } from "./call.ts";
import { connectOnly } from "./session.ts";

const plain = (text: string) => text.replaceAll(" ", "");
const native = { tracking: false };
/** A reply of hello with that seqid. */
const helloReply = (seqid: number, name = "626f62") =>
  `80010002 00000005 68656c6c6f ${seqid.toString(16).padStart(8, "0")} 0b0000 00000003 ${name} 00`;
const helloCall = (seqid: number) =>
  vectors.hello.replace("68656c6c6f 00000000", `68656c6c6f ${seqid.toString(16).padStart(8, "0")}`);
/** An exception in answer to hello with that seqid, number and message. */
const exception = (seqid: number, type: number, message: string) => {
  const bytes = [...new TextEncoder().encode(message)].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return `80010003 00000005 68656c6c6f ${seqid.toString(16).padStart(8, "0")} 0b0001 ${
    message.length.toString(16).padStart(8, "0")
  } ${bytes} 080002 ${type.toString(16).padStart(8, "0")} 00`;
};

Deno.test("a session shakes hands and speaks headers as the golden vectors do", async () => {
  await using link = await connect({});
  assert.equal(await link.peer.take(vectors.handshake), plain(vectors.handshake));
  await link.peer.send(vectors.upgraded);
  const session = await link.session;
  let meta: unknown;
  const attempt = link.attempt("hello", { name: "bob" }, { onReplyMeta: (given: unknown) => meta = given });
  session.start(attempt);
  const wanted = vectors.header + helloCall(1);
  assert.equal(await link.peer.take(wanted), plain(wanted));
  assert.ok(attempt.sent);
  await link.peer.send(vectors.meta + helloReply(1));
  await attempt.over;
  assert.equal(attempt.reply, "bob");
  assert.deepEqual(meta, { k: "v" });
});

Deno.test("a session speaks what was agreed on: nothing, version 1, version 2", async () => {
  const { upgradedTo, native: refused, header } = vectors;
  for (
    const [answer, requests, replies] of [
      [refused, "", ""],
      [upgradedTo(0), header, ""],
      [upgradedTo(1), header, ""],
      [upgradedTo(2), header, "00"],
      [upgradedTo(9), header, "00"],
    ] as const
  ) {
    await using link = await connect({});
    await link.peer.take(vectors.handshake);
    await link.peer.send(answer);
    const session = await link.session;
    const attempt = link.attempt("hello", { name: "bob" });
    session.start(attempt);
    const wanted = requests + helloCall(1);
    assert.equal(await link.peer.take(wanted), plain(wanted));
    await link.peer.send(replies + helloReply(1));
    await attempt.over;
    assert.equal(attempt.reply, "bob");
  }
});

Deno.test("a session says who calls in its handshake", async () => {
  await using link = await connect({}, { service: "web" });
  const wanted = vectors.handshake.replace(
    / 08 0002 00000002 00$/,
    "0b0001 00000003 776562 08 0002 00000002 00",
  );
  assert.equal(await link.peer.take(wanted), plain(wanted));
});

Deno.test("a session goes on where a server forgets the header before an exception", async () => {
  await using link = await connect({});
  await link.peer.take(vectors.handshake);
  await link.peer.send(vectors.upgraded);
  const session = await link.session;
  const [first, second] = [link.attempt("hello", { name: "bob" }), link.attempt("hello", { name: "bob" })];
  session.start(first);
  session.start(second);
  await link.peer.send(exception(1, 1, "Unknown method") + "00" + helloReply(2));
  await second.over;
  assert.ok(first.thrown instanceof ApplicationException);
  assert.equal(first.thrown.kind, "unknownMethod");
  assert.equal(second.reply, "bob");
});

Deno.test("an endpoint that closes connections over the handshake is called without one", async () => {
  const endpoint = new Endpoint(0, { address: "10.0.0.1:1", weight: 1, role: null, priority: 0 });
  await using link = await connect({}, { endpoint });
  await link.peer.take(vectors.handshake);
  link.peer.close();
  await assert.rejects(link.session, (error: UpstreamError) => error.failure === "connect");
  await using next = await connect({}, { endpoint });
  const session = await next.session;
  session.start(next.attempt("hello", { name: "bob" }));
  assert.equal(await next.peer.take(vectors.hello), plain(helloCall(1)));
});

Deno.test("replies are matched by seqid, in whatever order they come", async () => {
  await using link = await connect({ ...native, multiplex: 3 });
  const session = await link.session;
  assert.equal(session.capacity, 3);
  const attempts = ["a", "b", "c"].map((name) => link.attempt("hello", { name }));
  for (const attempt of attempts) session.start(attempt);
  assert.equal(session.inflight, 3);
  await link.peer.send(helloReply(3, "636363") + helloReply(1, "616161") + helloReply(2, "626262"));
  await Promise.all(attempts.map(({ over }) => over));
  assert.deepEqual(attempts.map(({ reply }) => reply), ["aaa", "bbb", "ccc"]);
  assert.deepEqual(attempts.map(({ releases }) => releases), [1, 1, 1]);
  assert.equal(session.waitingSince, 0);
});

Deno.test("declared exceptions are thrown with their fields, and are no failure", async () => {
  await using link = await connect(native);
  const session = await link.session;
  const attempt = link.attempt("fail", { how: "x" });
  session.start(attempt);
  await link.peer.send("80010002 00000004 6661696c 00000001 0c0002 0b0001 00000002 736f 00 00");
  await attempt.over;
  assert.ok(attempt.thrown instanceof ThriftException);
  assert.deepEqual([attempt.thrown.name, attempt.thrown.fields], ["Refused", { why: "so", code: 7 }]);
  assert.deepEqual(judge(attempt.reply), { ok: true, status: 0, retryAfterMs: 0 });
});

Deno.test("an ApplicationException is a failure where the server says that it failed", async () => {
  await using link = await connect(native);
  const session = await link.session;
  const verdict = async (seqid: number, type: number, message: string) => {
    const attempt = link.attempt("hello", { name: "bob" });
    session.start(attempt);
    await link.peer.send(exception(seqid, type, message));
    await attempt.over;
    assert.ok(attempt.thrown instanceof ApplicationException);
    const { ok, status } = judge(attempt.reply);
    return [ok, status];
  };
  assert.deepEqual(await verdict(1, 6, "boom"), [false, 500]);
  assert.deepEqual(await verdict(2, 6, "queue_full: as many"), [false, 503]);
  assert.deepEqual(await verdict(3, 6, "deadline: passed"), [false, 504]);
  assert.deepEqual(await verdict(4, 6, "rate_limited: too many"), [true, 0]);
  assert.deepEqual(await verdict(5, 1, "Unknown method"), [true, 0]);
  assert.deepEqual(await verdict(6, 7, "bad_request: x"), [true, 0]);
  // No result, and nothing that was thrown.
  const nothing = link.attempt("hello", { name: "bob" });
  session.start(nothing);
  await link.peer.send("80010002 00000005 68656c6c6f 00000007 00");
  await nothing.over;
  assert.equal((nothing.thrown as ApplicationException).kind, "missingResult");
  assert.deepEqual(judge(nothing.reply).status, 500);
});

Deno.test("a reply that makes no sense fails its own call, one that is nobody's ends the connection", async () => {
  await using link = await connect(native);
  const session = await link.session;
  const [wrong, other] = [link.attempt("echo", {}), link.attempt("hello", { name: "bob" })];
  session.start(wrong);
  session.start(other);
  // Everything.inner.name is required.
  await link.peer.send("80010002 00000004 6563686f 00000001 0c0000 0c000d 00 00 00" + helloReply(2));
  await other.over;
  assert.deepEqual([wrong.error?.failure, wrong.error?.sent, other.reply], ["protocol", true, "bob"]);
  assert.ok(session.open);
  const last = link.attempt("hello", { name: "bob" });
  session.start(last);
  await link.peer.send(helloReply(77));
  await last.over;
  assert.equal(last.error?.failure, "protocol");
  assert.equal(session.open, false);
});

Deno.test("a reply above limits.reply ends the connection", async () => {
  await using link = await connect(native, { keys: { limits: { reply: "1KiB" } } });
  const session = await link.session;
  const attempt = link.attempt("hello", { name: "bob" });
  session.start(attempt);
  await link.peer.send("80010002 00000005 68656c6c6f 00000001 0b0000 00100000 6262");
  await attempt.over;
  assert.equal(attempt.error?.failure, "protocol");
});

Deno.test("a oneway call is through when it is written", async () => {
  await using link = await connect({ ...native, transport: "framed", protocol: "compact" });
  const session = await link.session;
  const shout = link.attempt("shout", { text: "a" });
  session.start(shout);
  assert.equal(session.inflight, 1);
  await shout.over;
  assert.equal(session.inflight, 0);
  assert.ok(shout.sent);
  // Type 4 in the upper three bits, seqid 1.
  const wanted = "0000000d 82 81 01 05 73686f7574 18 01 61 00";
  assert.equal(await link.peer.take(wanted), plain(wanted));
});

Deno.test("abandon() drops the reply when it comes, and ends the connection when it does not", async () => {
  const clock = new ManualClock();
  await using link = await connect(native, { clock, keys: { timeouts: { total: "1s" } } });
  const session = await link.session;
  const [given, kept] = [link.attempt("hello", { name: "bob" }), link.attempt("hello", { name: "bob" })];
  session.start(given);
  session.start(kept);
  session.abandon(given);
  await link.peer.send(helloReply(1) + helloReply(2));
  await kept.over;
  assert.deepEqual([given.reply, given.error, given.releases, kept.reply], [undefined, undefined, 1, "bob"]);
  clock.advance(1000);
  assert.ok(session.open);
  const [late, behind] = [link.attempt("hello", { name: "bob" }), link.attempt("hello", { name: "bob" })];
  session.start(late);
  session.start(behind);
  session.abandon(late);
  clock.advance(1000);
  assert.equal(session.open, false);
  await behind.over;
  assert.equal(late.releases, 1);
  assert.equal(behind.error?.failure, "reset");
});

Deno.test("close() waits for replies; an end of the peer fails what waits", async () => {
  await using link = await connect(native);
  const session = await link.session;
  const last = link.attempt("hello", { name: "bob" });
  session.start(last);
  session.close();
  assert.equal(session.open, false);
  await link.peer.send(helloReply(1));
  await last.over;
  assert.equal(last.reply, "bob");
  await using other = await connect(native);
  const ending = await other.session;
  const waits = other.attempt("hello", { name: "bob" });
  ending.start(waits);
  await other.peer.take(vectors.hello);
  other.peer.close();
  await waits.over;
  assert.deepEqual([waits.error?.failure, waits.error?.sent], ["reset", true]);
  assert.equal(other.attempt("nop").sent, false);
});

Deno.test("ping() calls thrift.ping, and a probe without it only connects", async () => {
  const clock = new ManualClock();
  await using link = await connect({ ...native, ping: "nop" }, { clock });
  const session = await link.session;
  session.ping!(100);
  assert.equal(session.inflight, 1);
  const wanted = vectors.nop.replace("6e6f70 00000000", "6e6f70 00000001");
  assert.equal(await link.peer.take(wanted), plain(wanted));
  await link.peer.send(vectors.nopReply.replace("6e6f70 00000000", "6e6f70 00000001"));
  while (session.inflight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  clock.advance(1000);
  assert.ok(session.open);
  session.ping!(100);
  clock.advance(100);
  assert.equal(session.open, false);
  await using bare = await connect(native);
  const other = await bare.session;
  assert.equal(other.ping, undefined);
  const probe = bare.attempt("nop");
  Object.assign(probe, { request: connectOnly });
  other.start(probe);
  assert.equal(probe.releases, 1);
});
