import assert from "node:assert/strict";
import { provision } from "../../tests/provision.ts";
import { mostSteps } from "./handle.ts";
import { pipelined, RedisError, redisUpstream } from "./mod.ts";
import { ErrorReply } from "./redis_error.ts";
import { connectTo, DirectCaller, plan } from "./testdata/direct.ts";

const range = { from: 22_700, to: 22_800 };

Deno.test("RedisHandle against a server", async (t) => {
  await using server = await provision("redis", { range });
  const port = server.ports[0];
  using peer = await connectTo(port);
  const caller = new DirectCaller(port, peer.session, plan());
  const cache = caller.handle();

  await t.step("command() resolves with the reply, commandBytes() with bytes", async () => {
    assert.equal(await cache.command("SET", "key", "grüße", "PX", 60_000), "OK");
    assert.equal(await cache.command<string>("get", "key"), "grüße");
    assert.deepEqual(await cache.commandBytes("GET", "key"), new TextEncoder().encode("grüße"));
    assert.equal(await cache.commandBytes("GET", "none"), null);
    assert.equal(await cache.command("INCRBY", "big", 2n ** 62n), 2n ** 62n);
  });

  await t.step(
    "command() rejects with a RedisError, and tells the policies nothing but the method",
    async () => {
      const error = await cache.command("LPUSH", "key", 1).catch((error) => error);
      assert.ok(error instanceof RedisError);
      assert.equal(error.code, "WRONGTYPE");
      assert.equal(error.down, false);
      assert.deepEqual(caller.options.at(-1), { method: "LPUSH", idempotent: false });
      await cache.command("GET", "key");
      assert.deepEqual(caller.options.at(-1), { method: "GET", idempotent: true });
      await cache.role("replica").command("GET", "key");
      assert.equal(caller.options.at(-1)!.role, "replica");
    },
  );

  await t.step("command() throws TypeError before anything is sent for what cannot be", () => {
    const sent = caller.options.length;
    assert.throws(() => cache.command("BLPOP", "list", 0), /Cannot send BLPOP: it blocks the connection/);
    assert.throws(() => cache.command("MULTI"), TypeError);
    assert.throws(() => cache.command("select", 1), /declare it in the manifest/);
    assert.throws(() => cache.command("SET", "key", null as never), /argument 2 is null/);
    assert.throws(() => cache.command("SET", "key", { a: 1 } as never), /argument 2 is object/);
    assert.throws(() => cache.command("SET", undefined as never), /argument 1 is undefined/);
    assert.throws(() => cache.fetch("/"), /Cannot fetch on upstream cache: it speaks redis/);
    assert.throws(() => cache.request(new Uint8Array()), /it speaks redis/);
    assert.equal(caller.options.length, sent);
  });

  await t.step("transaction() runs all or nothing", async () => {
    await cache.command("DEL", "n", "key");
    const replies = await cache.transaction<[string, number, string]>([["SET", "n", 1], ["INCR", "n"], [
      "GET",
      "n",
    ]]);
    assert.deepEqual(replies, ["OK", 2, "2"]);
    assert.deepEqual(caller.options.at(-1), { method: "transaction", idempotent: false });
    await assert.rejects(cache.transaction([["SET", "n", 7], ["SET", "n"]]), /wrong number of arguments/);
    assert.equal(await cache.command("GET", "n"), "2");
    assert.throws(() => cache.transaction([]), RangeError);
    assert.throws(() => cache.transaction(new Array(mostSteps + 1).fill(["PING"])), RangeError);
    assert.throws(() => cache.transaction([["WATCH", "n"]]), /Cannot send WATCH/);
  });

  await t.step("transaction() lets nobody between its commands", async () => {
    await cache.command("SET", "shared", 0);
    const own = Array.from(
      { length: 50 },
      () => cache.transaction<number[]>([["INCR", "shared"], ["INCR", "shared"], ["INCR", "shared"]]),
    );
    const others = Array.from({ length: 50 }, () => cache.command<number>("INCR", "shared"));
    for (const [first, second, third] of await Promise.all(own)) {
      assert.deepEqual([second, third], [first + 1, first + 2]);
    }
    await Promise.all(others);
    assert.equal(await cache.command("GET", "shared"), "200");
  });

  await t.step("keys decide with a ring hash, and those with the same tag stay together", async () => {
    const hashed = new DirectCaller(port, peer.session, plan({ balance: { ringHash: { key: "client" } } }));
    const handle = hashed.handle();
    await handle.command("GET", "user:7");
    await handle.command("SET", "{user:7}.name", "x");
    await handle.command("EVAL", "return 1", 1, "user:8");
    await handle.command("PING");
    await handle.transaction([["SET", "{user:9}a", 1], ["SET", "{user:9}b", 1]]);
    assert.deepEqual(hashed.options.map(({ key }) => key), [
      "user:7",
      "user:7",
      "user:8",
      undefined,
      "user:9",
    ]);
  });
});

Deno.test("redisUpstream.judge() takes for failures only replies that say that the server cannot work", () => {
  const ok = (text: string) => redisUpstream.judge(new ErrorReply(new RedisError(text))).ok;
  assert.equal(ok("WRONGTYPE Operation against a key"), true);
  assert.equal(ok("OOM command not allowed when used memory > 'maxmemory'."), true);
  assert.equal(ok("LOADING Redis is loading the dataset in memory"), false);
  assert.equal(ok("READONLY You can't write against a read only replica."), false);
  assert.equal(ok("MASTERDOWN Link with MASTER is down"), false);
  assert.equal(redisUpstream.judge("LOADING").ok, true);
  assert.equal(redisUpstream.judge(null).ok, true);
});

Deno.test("redisUpstream fills a connection with 1024 commands, or as many as pool.pipeline says", () => {
  assert.equal(redisUpstream.pipeline(plan()), pipelined);
  assert.equal(redisUpstream.pipeline(plan({ pool: { pipeline: 16 } })), 1024);
  assert.equal(redisUpstream.pipeline(plan({ pool: { pipeline: 5000 } })), 5000);
  const { request, good } = redisUpstream.probe();
  assert.equal(request.command.name, "PING");
  assert.deepEqual(["PONG", "OK", null].map(good), [true, false, false]);
});
