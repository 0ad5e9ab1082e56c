import assert from "node:assert/strict";
import { UpstreamError } from "../../core/upstream_error.ts";
import { provision } from "../../tests/provision.ts";
import { RedisError } from "./redis_error.ts";
import { connectTo, DirectCaller, plan, until } from "./testdata/direct.ts";

const range = { from: 22_800, to: 22_900 };
const decoder = new TextDecoder();

/** What was heard: `channel=message`. */
function listener() {
  const heard: string[] = [];
  return {
    heard,
    on: (message: Uint8Array, channel: string) => void heard.push(`${channel}=${decoder.decode(message)}`),
  };
}

for (const kind of ["redis", "redisOld"] as const) {
  Deno.test(`Subscriber against ${kind === "redis" ? "RESP3" : "RESP2"}`, async (t) => {
    await using server = await provision(kind, { range });
    const port = server.ports[0];
    using peer = await connectTo(port);
    const caller = new DirectCaller(port, peer.session, plan({ pool: { heartbeat: "20ms" } }));
    const cache = caller.handle();
    const count = async () =>
      (await cache.command<string>("CLIENT", "LIST", "TYPE", "pubsub")).split("\n").length - 1;

    await t.step("subscribe() hears a channel and patterns, over one connection", async () => {
      const news = listener();
      const all = listener();
      const one = await cache.subscribe("news.sport", news.on);
      const two = await cache.subscribe("news.*", all.on);
      const three = await cache.subscribe("news.sport", news.on);
      assert.equal(await count(), 1);
      assert.equal(await cache.command("PUBLISH", "news.sport", "1:0"), 2);
      assert.equal(await cache.command("PUBLISH", "news.weather", "rain"), 1);
      await until("it is heard", () => all.heard.length === 2 && news.heard.length === 2);
      assert.deepEqual(all.heard, ["news.sport=1:0", "news.weather=rain"]);
      assert.deepEqual(news.heard, ["news.sport=1:0", "news.sport=1:0"]);
      one.unsubscribe();
      one.unsubscribe();
      await cache.command("PUBLISH", "news.sport", "2:0");
      await until("it is heard", () => all.heard.length === 3);
      assert.equal(news.heard.length, 3);
      three.unsubscribe();
      await until("one is left", async () => await cache.command("PUBLISH", "news.sport", "3:0") === 1);
      two.unsubscribe();
      await until("the connection is closed", async () => await count() === 0);
    });

    await t.step("subscribe() goes on after a heartbeat, and after a listener that throws", async () => {
      const good = listener();
      const first = await cache.subscribe("c", () => {
        throw new Error("mine");
      });
      const second = await cache.subscribe("c", good.on);
      await until(
        "it has been asked whether it lives",
        async () => (await cache.command<string>("CLIENT", "LIST", "TYPE", "pubsub")).includes("cmd=ping"),
      );
      for (let index = 0; index < 3; index++) await cache.command("PUBLISH", "c", index);
      await until("all is heard", () => good.heard.length === 3);
      first.unsubscribe();
      second.unsubscribe();
    });

    await t.step("subscribe() comes back when the connection was ended", async () => {
      const { heard, on } = listener();
      const { unsubscribe } = await cache.subscribe("c", on);
      assert.equal(await cache.command("CLIENT", "KILL", "TYPE", "pubsub"), 1);
      await until("it is subscribed again", async () => await cache.command("PUBLISH", "c", "again") === 1);
      await until("it is heard", () => heard.includes("c=again"));
      unsubscribe();
    });

    await t.step("subscribe() rejects with what the server says, and leaves nothing behind", async () => {
      await cache.command(
        "ACL",
        "SETUSER",
        "reader",
        "on",
        "nopass",
        "~*",
        "+@all",
        "resetchannels",
        "&open",
      );
      const limited = new DirectCaller(
        port,
        peer.session,
        plan({ redis: { username: "reader", password: "x" } }),
      );
      const { heard, on } = listener();
      const open = await limited.handle().subscribe("open", on);
      await assert.rejects(
        limited.handle().subscribe("closed", on),
        (error) => error instanceof RedisError && error.code === "NOPERM",
      );
      await cache.command("PUBLISH", "open", "1");
      await until("the other goes on", () => heard.length === 1);
      open.unsubscribe();
      await until("the connection is closed", async () => await count() === 0);
    });

    await t.step("subscribe() ends with the worker", async () => {
      const { on } = listener();
      const { unsubscribe } = await cache.subscribe("c", on);
      caller.end();
      await until("the connection is closed", async () => await count() === 0);
      unsubscribe();
      await assert.rejects(
        cache.subscribe("c", on),
        (error) => error instanceof UpstreamError && error.failure === "cancelled",
      );
    });
  });
}

Deno.test("Subscriber comes back after an outage of the server", async () => {
  const server = await provision("redis", { range });
  const port = server.ports[0];
  const peer = await connectTo(port);
  const caller = new DirectCaller(port, peer.session, plan());
  const { heard, on } = listener();
  const { unsubscribe } = await caller.handle().subscribe("c", on);
  await server[Symbol.asyncDispose]();
  await until("the outage is noticed", () => !peer.session.open);
  await assert.rejects(caller.handle().subscribe("other", on));
  await using again = await provision("redis", { ports: [port] });
  assert.equal(again.ports[0], port);
  using fresh = await connectTo(port);
  await until("it is subscribed again", async () => {
    const attempt = fresh.start("PUBLISH", "c", "back");
    await attempt.over;
    return attempt.reply === 1;
  });
  await until("it is heard", () => heard.includes("c=back"));
  unsubscribe();
});

Deno.test("subscribe() rejects where no connection can be had", async () => {
  await using server = await provision("redis", { range });
  using peer = await connectTo(server.ports[0]);
  const caller = new DirectCaller(22_899, peer.session, plan());
  await assert.rejects(caller.handle().subscribe("c", () => {}), Deno.errors.ConnectionRefused);
});
