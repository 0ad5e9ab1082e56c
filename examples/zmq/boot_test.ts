import assert from "node:assert/strict";
import { bootService } from "../boot_service.ts";

const port = 28_590;
const env = { STATS_PORT: "28592", LOCKS_PORT: "28593", BEATS_PORT: "28594", LOCKS_SECRET: "of the test" };

Deno.test("examples/zmq counts, locks and tells that it lives; its client comes back when it was away", async () => {
  const boot = () =>
    bootService("examples/zmq/service.yaml", {
      port: port + 5,
      env,
      path: async () => (await fetch(`http://127.0.0.1:${port + 6}/`).catch(() => undefined))?.ok === true,
    });
  let counter = await boot();
  try {
    await using client = await bootService("examples/zmq/client.yaml", { port, env, path: "/alive" });
    const post = async (path: string) => await fetch(client.url + path, { method: "POST" });
    const alive = async () => {
      const response = await fetch(`${client.url}/alive`);
      return { status: response.status, ...await response.json() };
    };
    for (let n = 0; n < 10; n++) assert.equal((await post("/count/visits")).status, 204);
    await client.waitFor("all are counted", async () => (await alive()).counts.visits === 10);
    const lock = async (owner: string) => (await (await post(`/lock/report?owner=${owner}`)).json()).granted;
    assert.deepEqual([await lock("a"), await lock("b"), await lock("a")], [true, false, true]);

    assert.equal(await counter.stop(), 0, counter.output());
    await client.waitFor("it is missed", async () => (await alive()).status === 503);
    assert.equal((await post("/count/visits")).status, 503);
    counter = await boot();
    await client.waitFor("it is back", async () => (await alive()).status === 200);
    await client.waitFor("it counts", async () => (await post("/count/visits")).status === 204);
    await client.waitFor("and locks", async () => await lock("b") === true);
    assert.equal(await client.stop(), 0, client.output());
    assert.equal(await counter.stop(), 0, counter.output());
  } finally {
    await counter[Symbol.asyncDispose]();
  }
});
