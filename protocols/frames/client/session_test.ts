import assert from "node:assert/strict";
import { ManualClock } from "../../../core/upstream/testdata/scripted.ts";
import { freePorts, provision } from "../../../tests/provision.ts";
import { connectOnly } from "./session.ts";
import { connectTo } from "./testdata/direct.ts";

const range = { from: 22_900, to: 23_000 };
// Redis answers one line per line to commands written this way: a line protocol of a server that is not ours.
const lines = { framing: { delimiter: "\r\n", max: "64KiB" }, pool: { pipeline: 64 } };

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5000;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("FramesSession against a line protocol", async (t) => {
  await using server = await provision("redis", { range });
  const port = server.ports[0];

  await t.step("start() matches replies in order, one write for a turn of the loop", async () => {
    using peer = await connectTo(port, lines);
    const attempts = Array.from({ length: 64 }, () => peer.start("INCR number"));
    assert.equal(peer.session.capacity, 64);
    assert.equal(peer.session.inflight, 64);
    assert.ok(attempts.every(({ sent }) => !sent));
    await attempts.at(-1)!.over;
    assert.deepEqual(attempts.map(({ text }) => text), attempts.map((_, index) => `:${index + 1}`));
    assert.ok(attempts.every(({ sent, releases }) => sent && releases === 1));
    assert.equal(peer.counts.writes, 1);
    assert.equal(peer.counts.changes, 64);
    assert.equal(peer.session.waitingSince, 0);
  });

  await t.step("replies stay as they are while others come", async () => {
    using peer = await connectTo(port, lines);
    const attempts = [];
    for (let round = 0; round < 50; round++) {
      const batch = Array.from({ length: 64 }, () => peer.start("INCR kept"));
      await batch.at(-1)!.over;
      attempts.push(...batch);
    }
    assert.deepEqual(attempts.map(({ text }) => text), attempts.map((_, index) => `:${index + 1}`));
  });

  await t.step("abandon() skips the reply when it comes", async () => {
    using peer = await connectTo(port, lines, new ManualClock());
    const given = peer.start("DEBUG SLEEP 0.1");
    const kept = peer.start("PING");
    peer.session.abandon(given);
    assert.equal(peer.session.inflight, 2);
    await kept.over;
    assert.equal(kept.text, "+PONG");
    assert.deepEqual([given.reply, given.error, given.releases], [undefined, undefined, 1]);
  });

  await t.step("abandon() ends the connection when the reply is not there after timeouts.total", async () => {
    const clock = new ManualClock();
    using peer = await connectTo(port, { ...lines, timeouts: { total: "1s" } }, clock);
    const given = peer.start("DEBUG SLEEP 0.2");
    const behind = peer.start("PING");
    await until("it is sent", () => behind.sent);
    peer.session.abandon(given);
    clock.advance(1000);
    assert.equal(peer.session.open, false);
    assert.equal(given.releases, 1);
    assert.deepEqual([behind.error?.failure, behind.error?.sent], ["reset", true]);
  });

  await t.step("close() waits for replies; close(true) fails what was sent and what was not", async () => {
    using peer = await connectTo(port, lines);
    const last = peer.start("PING");
    peer.session.close();
    assert.equal(peer.session.open, false);
    await last.over;
    assert.equal(last.text, "+PONG");
    using other = await connectTo(port, lines);
    const sent = other.start("DEBUG SLEEP 0.05");
    await until("it is sent", () => sent.sent);
    const unsent = other.start("PING");
    other.session.close(true);
    assert.deepEqual([sent.error?.failure, sent.error?.sent], ["reset", true]);
    assert.deepEqual([unsent.error?.failure, unsent.error?.sent], ["reset", false]);
    assert.equal(other.start("PING").error?.sent, false);
  });

  await t.step("a frame that nobody asked for ends the connection", async () => {
    using peer = await connectTo(port, lines);
    const echo = peer.start("ECHO two"); // its reply is two lines
    await echo.over;
    assert.equal(echo.text, "$3");
    await until("it ended", () => !peer.session.open);
  });

  await t.step("a reply above the bound is a protocol failure of its own attempt", async () => {
    for (const keys of [{ framing: { delimiter: "\r\n", max: "32B" } }, { limits: { reply: "32B" } }]) {
      using peer = await connectTo(port, { ...lines, ...keys });
      const tooLong = peer.start("ACL GETUSER"); // refused with a long line
      const behind = peer.start("PING");
      await behind.over;
      assert.equal(tooLong.error?.failure, "protocol");
      assert.equal(behind.error?.failure, "reset");
      assert.equal(peer.session.open, false);
    }
  });

  await t.step("an end of the peer fails what waits", async () => {
    using peer = await connectTo(port, lines);
    const quit = peer.start("QUIT");
    const behind = peer.start("PING");
    await behind.over;
    assert.equal(quit.text, "+OK");
    assert.deepEqual([behind.error?.failure, behind.error?.sent], ["reset", true]);
  });

  await t.step(
    "ping() sends the frame of the probes, and ends the session when nothing comes in time",
    async () => {
      const clock = new ManualClock();
      using peer = await connectTo(port, { ...lines, health: { probe: { send: "PING" } } }, clock);
      peer.session.ping!(100);
      assert.equal(peer.session.inflight, 1);
      await until("it answered", () => peer.session.inflight === 0);
      clock.advance(1000);
      assert.ok(peer.session.open);
      using other = await connectTo(port, lines);
      assert.equal(other.session.ping, undefined);
      other.start("CLIENT PAUSE 200 ALL");
      await until("it is paused", () => other.session.inflight === 0);
      peer.session.ping!(100);
      clock.advance(100);
      assert.equal(peer.session.open, false);
    },
  );

  await t.step("a probe that sends nothing is good as soon as there is a connection", async () => {
    using peer = await connectTo(port, lines);
    const probe = peer.start(connectOnly);
    assert.equal(probe.releases, 1);
    assert.equal(peer.session.inflight, 0);
    assert.equal(peer.counts.writes, 0);
  });
});

Deno.test("FramesSession with oneWay resolves when a frame is with the kernel", async () => {
  await using server = await provision("rsyslog", { range });
  const received = `${server.folder}/received.log`;
  using peer = await connectTo(server.ports[0], {
    framing: { delimiter: "\n", max: "64KiB" },
    pattern: "oneWay",
  });
  const attempts = Array.from(
    { length: 200 },
    (_, index) => peer.start(`<13>Nov 21 10:00:00 host app: number ${index};`),
  );
  assert.equal(peer.session.capacity, 1024);
  assert.equal(peer.session.inflight, 200);
  await attempts.at(-1)!.over;
  assert.ok(attempts.every(({ reply, releases }) => reply?.length === 0 && releases === 1));
  assert.equal(peer.counts.writes, 1);
  await until("all of them are written down", async () => {
    const text = await Deno.readTextFile(received).catch(() => "");
    return attempts.every((_, index) => text.includes(`number ${index};`));
  });
});

Deno.test("FramesSession with oneWay holds back while the peer does not read, and throws away what it says", async () => {
  const [port] = freePorts(1, range);
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const accepted = listener.accept();
  using peer = await connectTo(port, {
    framing: { lengthPrefix: { bytes: 4 }, max: "1MiB" },
    pattern: "oneWay",
  });
  using conn = await accepted;
  await conn.write(new TextEncoder().encode("not a frame"));
  const frame = new Uint8Array(1024 * 1024 - 4).fill(7);
  const attempts = Array.from({ length: 16 }, () => peer.start(frame));
  assert.equal(peer.session.capacity, 16, "no more until the peer reads");
  let bytes = 0;
  const memory = new Uint8Array(64 * 1024);
  while (bytes < 16 * 1024 * 1024) bytes += await conn.read(memory) ?? assert.fail("it ended");
  await Promise.all(attempts.map(({ over }) => over));
  assert.ok(attempts.every(({ reply }) => reply));
  assert.equal(peer.session.capacity, 1024);
  const waits = peer.start(frame);
  conn.close();
  await until("the end is noticed", () => !peer.session.open);
  assert.equal(waits.releases, 1);
  listener.close();
});
