import assert from "node:assert/strict";
import type { RedisValue } from "../../core/context.ts";
import { UpstreamError } from "../../core/upstream_error.ts";
import { provision } from "../../tests/provision.ts";
import { RedisError } from "./redis_error.ts";
import { connectTo } from "./testdata/direct.ts";

const range = { from: 22_600, to: 22_700 };

async function ask(port: number, keys: Record<string, unknown>, ...command: [string, ...string[]]) {
  using peer = await connectTo(port, { keys });
  const attempt = peer.start(...command);
  await attempt.over;
  return attempt.reply as RedisValue;
}

async function refusal(port: number, keys: Record<string, unknown>): Promise<UpstreamError> {
  try {
    (await connectTo(port, { keys })).session.close(true);
  } catch (error) {
    assert.ok(error instanceof UpstreamError);
    return error;
  }
  throw new Error("it was let in");
}

Deno.test("shakeHands() logs in to a server of today, or says what it refused", async () => {
  await using server = await provision("redis", { range });
  const port = server.ports[0];
  assert.match(String(await ask(port, {}, "CLIENT", "INFO")), / name=weir:cache .* db=0 .* resp=3/);
  assert.match(String(await ask(port, { redis: { database: 3 } }, "CLIENT", "INFO")), / db=3 /);
  assert.match((await refusal(port, { redis: { database: 9999 } })).message, /DB index is out of range/);

  await ask(port, {}, "ACL", "SETUSER", "app", "on", ">s3cret-app", "~*", "+@all");
  await ask(port, {}, "CONFIG", "SET", "requirepass", "s3cret");
  assert.match((await refusal(port, {})).message, /NOAUTH/);
  assert.match(String(await ask(port, { redis: { password: "s3cret" } }, "CLIENT", "INFO")), / user=default/);
  const app = { redis: { username: "app", password: "s3cret-app", database: 2 } };
  assert.match(String(await ask(port, app, "CLIENT", "INFO")), / db=2 .* user=app/);
  const wrong = await refusal(port, { redis: { username: "app", password: "s3cret" } });
  assert.equal(wrong.failure, "connect");
  assert.equal(wrong.sent, false);
  assert.match(wrong.message, /127\.0\.0\.1:\d+ of upstreams\.cache: the server refused: WRONGPASS/);
  assert.ok(wrong.cause instanceof RedisError);
  assert.doesNotMatch(Deno.inspect(wrong), /s3cret/);
});

Deno.test("shakeHands() falls back to RESP2, with the same credentials", async () => {
  await using server = await provision("redisOld", { range });
  const port = server.ports[0];
  assert.match(String(await ask(port, { redis: { database: 5 } }, "CLIENT", "INFO")), / db=5 .* resp=2/);
  await ask(port, {}, "HSET", "hash", "field", "value");
  assert.deepEqual(await ask(port, {}, "HGETALL", "hash"), ["field", "value"]);
  assert.equal(await ask(port, {}, "GET", "nothing"), null);
  assert.equal(await ask(port, {}, "LPOP", "nothing", "2"), null);
  await ask(port, {}, "CONFIG", "SET", "requirepass", "s3cret");
  assert.equal(await ask(port, { redis: { password: "s3cret" } }, "PING"), "PONG");
  assert.match((await refusal(port, {})).message, /NOAUTH/);
  const wrong = await refusal(port, { redis: { password: "wr0ng" } });
  assert.match(wrong.message, /WRONGPASS/);
  assert.doesNotMatch(Deno.inspect(wrong), /wr0ng/);
});

Deno.test("shakeHands() fails clearly where no Redis answers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 22_699 });
  const served = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(1000));
      await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      conn.close();
    }
  })();
  const error = await refusal(22_699, { redis: { password: "s3cret" } });
  assert.equal(error.failure, "protocol");
  assert.match(error.message, /no reply begins with byte 72/);
  listener.close();
  await served;
});
