/** The pages of upstreams of a real governor, over two workers that do not agree. */

import assert from "node:assert/strict";
import { get, startBusy } from "./testdata/ask.ts";
import type { FakeSupervisor } from "./testdata/fake_supervisor.ts";
import { writeFigures } from "./testdata/write_figures.ts";

// deno-lint-ignore no-explicit-any
async function json(fake: FakeSupervisor, path: string): Promise<any> {
  const answer = await get(fake, `${path}${path.includes("?") ? "&" : "?"}format=json`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

Deno.test("/upstreams shows a line for each, with what is wrong with it", async () => {
  await using fake = await startBusy();
  writeFigures(fake.memory, 1, 2);
  const [users, cache] = (await json(fake, "/upstreams")).upstreams;
  assert.deepEqual(
    [users.name, users.protocol, users.usable, users.endpoints, users.inFlight, users.throttleWaiting],
    ["users", "http", 2, 4, 10, 4],
  );
  assert.deepEqual(
    [users.breakers, users.panic, users.source, users.problem, users.retriesLeft],
    ["POST open", "no", "dns users.internal", "no such name: users.internal; kept from an earlier run", 42],
  );
  assert.ok(users.ageMs >= 4000 && users.ageMs < 60_000, users.ageMs);
  assert.deepEqual([cache.usable, cache.endpoints, cache.problem, cache.breakers, cache.ageMs], [
    1,
    1,
    "ok",
    null,
    null,
  ]);
  const html = (await get(fake, "/upstreams?format=html")).text;
  assert.match(html, /<a href="\/upstreams\/users">users<\/a>/);
});

Deno.test("/upstreams/<name> shows endpoints over all workers and in each", async () => {
  await using fake = await startBusy();
  writeFigures(fake.memory, 1, 2);
  const page = await json(fake, "/upstreams/users");
  assert.deepEqual(
    page.endpoints.map((
      one: Record<string, unknown>,
    ) => [one.endpoint, one.role, one.state, one.inFlight, one.failures]),
    [
      ["10.0.0.1:80", "", "usable", 6, 0],
      ["10.0.0.2:80", "", "ejected in 1 of 2", 2, 11],
      ["10.0.0.3:80", "replica", "operator", 2, 0],
      ["[2001:db8::1]:8080", "", "usable", 0, 0],
    ],
  );
  const ejected = page.endpoints[1];
  assert.ok(ejected.outForMs > 5000 && ejected.outForMs <= 12_300, ejected.outForMs);
  assert.equal(ejected.cause, "5 failures in a row, the last: connect <b>");
  assert.equal(page.byWorker.length, 8);
  assert.deepEqual(
    page.byWorker.filter((one: { endpoint: string }) => one.endpoint === "10.0.0.2:80")
      .map((one: Record<string, unknown>) => [one.worker, one.state, one.failures]),
    [["1", "ejected", 9], ["2", "usable", 2]],
  );
  assert.deepEqual(page.breakers.map((one: Record<string, unknown>) => [one.breaker, one.state]), [
    ["GET", "closed"],
    ["POST", "open"],
  ]);
  assert.deepEqual(page.attempts.map((one: Record<string, unknown>) => [one.failure, one.total]), [
    ["none", 1800],
    ["timeout", 40],
    ["refused", 14],
  ]);
  assert.deepEqual([page.now.failed, page.now.connectionsBusy, page.now.connectionWaiters], [30, 10, 4]);
  const html = (await get(fake, "/upstreams/users?format=html")).text;
  assert.ok(!html.includes("<b>") && html.includes("connect &#60;b&#62;"));
});

Deno.test("/upstreams/<name> shows the stack that explain shows", async () => {
  await using fake = await startBusy();
  const { stack } = await json(fake, "/upstreams/users");
  const parts = Object.fromEntries(stack.map((one: Record<string, string>) => [one.part, one.numbers]));
  assert.equal(Object.keys(parts)[0], "deadline");
  assert.equal(parts.throttle, "concurrency 64 · queue 256 · wait 100ms (per worker)");
  assert.equal(parts.hedge, "off: no second attempt beside the first");
  for (const { why } of stack) assert.ok(why.length > 20);
});

Deno.test("/upstreams/<name> filters by endpoint, state and worker, and keeps to its limit", async () => {
  await using fake = await startBusy();
  writeFigures(fake.memory, 1, 2);
  const endpoints = async (query: string) =>
    (await json(fake, `/upstreams/users?${query}`)).endpoints.map((one: { endpoint: string }) =>
      one.endpoint
    );
  assert.deepEqual(await endpoints("endpoint=replica"), ["10.0.0.3:80"]);
  assert.deepEqual(await endpoints("state=ejected"), ["10.0.0.2:80"]);
  assert.deepEqual(await endpoints("state=usable&endpoint=10.0"), ["10.0.0.1:80", "10.0.0.2:80"]);
  assert.deepEqual(await endpoints("worker=9"), []);
  assert.deepEqual(await endpoints("limit=1"), ["10.0.0.1:80"]);
  const { byWorker } = await json(fake, "/upstreams/users?worker=2");
  assert.deepEqual([...new Set(byWorker.map((one: { worker: string }) => one.worker))], ["2"]);
  assert.equal((await get(fake, "/upstreams/users?limit=none")).status, 400);
  const missing = await get(fake, "/upstreams/nobody");
  assert.equal(missing.status, 404);
  assert.match(missing.text, /There are: users, cache\./);
  assert.equal((await get(fake, "/upstreams/__proto__")).status, 404);
});

Deno.test("/upstreams leaves out what a worker that is gone has said", async () => {
  await using fake = await startBusy();
  writeFigures(fake.memory, 1, 2, 2 ** 22 + 1);
  const page = await json(fake, "/upstreams/users");
  assert.deepEqual([...new Set(page.byWorker.map((one: { worker: string }) => one.worker))], ["1"]);
  assert.equal(page.endpoints[1].state, "ejected");
});
