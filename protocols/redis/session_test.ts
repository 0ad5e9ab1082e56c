import assert from "node:assert/strict";
import type { RedisArgument } from "../../core/context.ts";
import { systemClock } from "../../core/clock.ts";
import { ManualClock } from "../../core/upstream/testdata/scripted.ts";
import { provision } from "../../tests/provision.ts";
import { commandOf } from "./commands.ts";
import { ErrorReply, RedisError } from "./redis_error.ts";
import { connectTo, Recorded, requestOf, until } from "./testdata/direct.ts";

const range = { from: 22_500, to: 22_600 };

/** One server for all tests of this file; each has a database of its own. */
let databases = 0;
const database = () => ({ redis: { database: databases++ % 16 } });

Deno.test("RedisSession against a server", async (t) => {
  await using server = await provision("redis", { range });
  const port = server.ports[0];

  await t.step(
    "start() matches replies of every kind with their commands, and leaves nothing behind",
    async () => {
      using peer = await connectTo(port, { keys: database() });
      const asked: Array<[string, ...RedisArgument[]]> = [
        ["SET", "text", "one\r\ntwo"],
        ["GET", "text"],
        ["INCRBY", "number", 41],
        ["GET", "nothing"],
        ["LPUSH", "text", "x"],
        ["RPUSH", "list", "a", "", "c"],
        ["LRANGE", "list", 0, -1],
        ["LRANGE", "none", 0, -1],
        ["HSET", "hash", "field", "value"],
        ["HGETALL", "hash"],
        ["ZADD", "scores", 1.5, "m"],
        ["ZSCORE", "scores", "m"],
        ["GET", "text"],
      ];
      const attempts = asked.map(([name, ...args]) => peer.start(name, ...args));
      await attempts.at(-1)!.over;
      const replies = attempts.map(({ reply }) => reply instanceof ErrorReply ? reply.error.code : reply);
      assert.deepEqual(replies, [
        "OK",
        "one\r\ntwo",
        41,
        null,
        "WRONGTYPE",
        3,
        ["a", "", "c"],
        [],
        1,
        new Map([["field", "value"]]),
        1,
        1.5,
        "one\r\ntwo",
      ]);
      assert.ok(attempts.every(({ sent, releases }) => sent && releases === 1));
      assert.equal(peer.session.inflight, 0);
      assert.equal(peer.session.waitingSince, 0);
      assert.ok(peer.session.open);
      assert.equal(peer.changes(), asked.length);
    },
  );

  await t.step("start() sends what is started in one turn of the loop in one write", async () => {
    using peer = await connectTo(port, { keys: database() });
    const before = peer.stream.writes;
    const attempts = Array.from({ length: 500 }, (_, index) => peer.start("ECHO", index));
    assert.ok(attempts.every(({ sent }) => !sent), "nothing has left yet");
    assert.equal(peer.session.inflight, 500);
    await Promise.all(attempts.map(({ over }) => over));
    assert.equal(peer.stream.writes - before, 1);
    assert.deepEqual(attempts.map(({ reply }) => reply), attempts.map((_, index) => String(index)));
  });

  await t.step("start() gives bytes where they are asked for, among others that are text", async () => {
    using peer = await connectTo(port, { keys: database() });
    const binary = crypto.getRandomValues(new Uint8Array(60_000));
    peer.start("SET", "binary", binary);
    const asBytes = new Recorded({ ...requestOf("GET", "binary"), bytes: true });
    peer.session.start(asBytes);
    const asText = peer.start("ECHO", "héllo");
    await asText.over;
    assert.deepEqual(asBytes.reply, binary);
    assert.equal(asText.reply, "héllo");
  });

  await t.step("start() carries values of many mebibytes both ways", async () => {
    using peer = await connectTo(port, { keys: database() });
    const long = "äbcdefgh".repeat(1024 * 1024);
    peer.start("SET", "long", long);
    const attempt = peer.start("GET", "long");
    const after = peer.start("ECHO", "in step");
    await after.over;
    assert.ok(attempt.reply === long);
    assert.equal(after.reply, "in step");
  });

  await t.step("start() runs the steps of a transaction as one, and tells why one was refused", async () => {
    using peer = await connectTo(port, { keys: database() });
    const run = async (...steps: Array<[string, ...RedisArgument[]]>) => {
      const attempt = new Recorded({
        ...requestOf("EXEC"),
        steps: steps.map(([name, ...args]) => ({ command: commandOf(name), args })),
      });
      peer.session.start(attempt);
      await attempt.over;
      return attempt;
    };
    const before = peer.start("ECHO", "before");
    assert.deepEqual((await run(["SET", "n", 1], ["INCR", "n"], ["GET", "n"])).reply, ["OK", 2, "2"]);
    assert.equal(before.reply, "before");
    const { reply } = await run(["SET", "n", "x"], ["LPUSH", "n", 1], ["GET", "n"]);
    const [, failed, done] = reply as unknown[];
    assert.ok(failed instanceof RedisError && failed.code === "WRONGTYPE");
    assert.equal(done, "x");
    const { reply: refused } = await run(["SET", "n", "y"], ["NOSUCH"]);
    assert.ok(refused instanceof ErrorReply);
    assert.match(refused.error.message, /unknown command/);
    const after = peer.start("GET", "n");
    await after.over;
    assert.equal(after.reply, "x");
  });

  await t.step(
    "capacity is used up while the server does not read, and free again when it does",
    async () => {
      using peer = await connectTo(port, { keys: database() });
      const value = new Uint8Array(1024 * 1024);
      const attempts = Array.from({ length: 10 }, () => peer.start("SET", "much", value));
      assert.equal(peer.session.capacity, peer.session.inflight);
      const changes = peer.changes();
      await Promise.all(attempts.map(({ over }) => over));
      assert.ok(peer.changes() > changes);
      assert.equal(peer.session.capacity, 1024);
      assert.ok(attempts.every(({ reply }) => reply === "OK"));
    },
  );

  await t.step("waitingSince tells the age of the slowest reply; close() waits for it", async () => {
    const clock = new ManualClock();
    using peer = await connectTo(port, { keys: database(), clock });
    const slow = peer.start("DEBUG", "SLEEP", 0.2);
    const began = clock.now();
    clock.advance(70);
    const behind = peer.start("ECHO", "behind");
    assert.equal(peer.session.waitingSince, began);
    peer.session.close();
    assert.equal(peer.session.open, false);
    assert.equal(peer.stream.closed, false);
    await behind.over;
    assert.equal(slow.reply, "OK");
    assert.equal(behind.reply, "behind");
    assert.equal(peer.stream.closed, true);
  });

  await t.step("abandon() skips the reply when it comes, and frees the place only then", async () => {
    const clock = new ManualClock();
    using peer = await connectTo(port, { keys: database(), clock });
    const given = peer.start("DEBUG", "SLEEP", 0.1);
    const transaction = new Recorded({
      ...requestOf("EXEC"),
      steps: [{ command: commandOf("ECHO"), args: ["inner"] }],
    });
    peer.session.start(transaction);
    const kept = peer.start("ECHO", "kept");
    peer.session.abandon(given);
    peer.session.abandon(transaction);
    assert.equal(given.releases, 0);
    assert.equal(peer.session.inflight, 3);
    await kept.over;
    assert.equal(kept.reply, "kept");
    for (const { reply, error, releases } of [given, transaction]) {
      assert.deepEqual([reply, error, releases], [undefined, undefined, 1]);
    }
    clock.advance(60_000);
    assert.ok(peer.session.open);
  });

  await t.step("abandon() ends the connection when the reply is not there after timeouts.total", async () => {
    const clock = new ManualClock();
    using peer = await connectTo(port, {
      keys: { ...database(), timeouts: { connect: "100ms", attempt: "200ms", total: "500ms" } },
      clock,
    });
    const given = peer.start("DEBUG", "SLEEP", 0.2);
    const behind = peer.start("ECHO", "behind");
    await until("it is sent", () => behind.sent);
    peer.session.abandon(given);
    clock.advance(499);
    assert.ok(peer.session.open);
    clock.advance(1);
    assert.equal(peer.session.open, false);
    assert.deepEqual([given.reply, given.error, given.releases], [undefined, undefined, 1]);
    assert.equal(behind.error?.failure, "reset");
    assert.equal(behind.error.sent, true);
  });

  await t.step(
    "an end of the connection fails what was sent and what was not, each as what it is",
    async () => {
      using killer = await connectTo(port);
      using peer = await connectTo(port, { keys: database() });
      const id = peer.start("CLIENT", "ID");
      await id.over;
      const slow = peer.start("DEBUG", "SLEEP", 0.1);
      await until("it is sent", () => slow.sent);
      const kill = killer.start("CLIENT", "KILL", "ID", String(id.reply));
      await slow.over;
      await kill.over;
      await until("it ended", () => !peer.session.open);
      const late = peer.start("ECHO", "late");
      assert.equal(late.error?.failure, "reset");
      assert.equal(late.error.sent, false);
      assert.equal(peer.stream.closed, true);

      using other = await connectTo(port, { keys: database() });
      const sent = other.start("DEBUG", "SLEEP", 0.1);
      await until("it is sent", () => sent.sent);
      const unsent = other.start("ECHO", "unsent");
      const changes = other.changes();
      other.session.close(true);
      assert.deepEqual([sent.error?.failure, sent.error?.sent], ["reset", true]);
      assert.deepEqual([unsent.error?.failure, unsent.error?.sent], ["reset", false]);
      assert.deepEqual([sent.releases, unsent.releases], [1, 1]);
      assert.equal(other.changes(), changes + 1);
    },
  );

  await t.step(
    "a reply above limits.reply is a protocol failure of its own attempt and ends the connection",
    async () => {
      using peer = await connectTo(port, { keys: { ...database(), limits: { reply: "1KiB" } } });
      peer.start("SET", "long", "x".repeat(2000));
      const tooLong = peer.start("GET", "long");
      const behind = peer.start("ECHO", "behind");
      await behind.over;
      assert.equal(tooLong.error?.failure, "protocol");
      assert.match(tooLong.error.message, /more than 1024 bytes/);
      assert.equal(behind.error?.failure, "reset");
      assert.equal(peer.session.open, false);
    },
  );

  await t.step("a reply that nobody asked for ends the connection", async () => {
    using talker = await connectTo(port);
    using peer = await connectTo(port);
    const monitor = peer.start("MONITOR"); // which handles refuse
    await monitor.over;
    talker.start("ECHO", "heard");
    await until("it ended", () => !peer.session.open);
    assert.equal(peer.stream.closed, true);
  });

  await t.step("ping() ends the session only when no answer comes in time", async () => {
    const clock = new ManualClock();
    using killer = await connectTo(port);
    using peer = await connectTo(port, { clock });
    peer.session.ping(100);
    assert.equal(peer.session.inflight, 1);
    await until("it answered", () => peer.session.inflight === 0);
    clock.advance(1000);
    assert.ok(peer.session.open);
    // The server holds all answers back for a while.
    await killer.start("CLIENT", "PAUSE", 300, "ALL").over;
    peer.session.ping(100);
    clock.advance(99);
    assert.ok(peer.session.open);
    clock.advance(1);
    assert.equal(peer.session.open, false);
    assert.equal(peer.stream.closed, true);
  });

  await t.step("the same connection serves on after a hundred error replies", async () => {
    using peer = await connectTo(port, { keys: database(), clock: systemClock });
    using observer = await connectTo(port);
    const connections = async () => {
      const list = observer.start("CLIENT", "LIST");
      await list.over;
      return String(list.reply).split("\n").filter((line) => line.includes("name=weir:cache")).length;
    };
    const before = await connections();
    peer.start("SET", "text", "x");
    const errors = Array.from({ length: 100 }, () => peer.start("LPUSH", "text", 1));
    const after = peer.start("GET", "text");
    await after.over;
    assert.ok(errors.every(({ reply, releases }) => reply instanceof ErrorReply && releases === 1));
    assert.equal(after.reply, "x");
    assert.equal(peer.session.inflight, 0);
    assert.equal(await connections(), before);
  });
});
