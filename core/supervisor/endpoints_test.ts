/** What the supervisor does for endpoints that are watched: start the governor in time, and pass on its word. */
import assert from "node:assert/strict";
import { Booted, planOf } from "./testdata/boot.ts";

const upstreams = { users: { protocol: "http", discover: { file: "./users.yaml" } } };
const found = JSON.stringify({ type: "endpoints", source: "fake", version: 7 });

Deno.test("Supervisor starts a governor first where endpoints are watched, also without meta pages", async () => {
  await using booted = new Booted({ plan: planOf({}, { upstreams }) });
  await booted.supervisor.ready;
  const startedAt = (role: string) => booted.status.children.find((child) => child.role === role)!.startedAt;
  assert.ok(startedAt("governor") <= startedAt("worker"));
  assert.deepEqual(booted.status.children.map(({ role }) => role).sort(), ["governor", "worker"]);
});

Deno.test("Supervisor has the endpoints of a reload's upstreams watched before its workers are ready", async () => {
  const before = planOf({ count: 2 }, { upstreams });
  const more = { ...upstreams, orders: { protocol: "http", discover: { file: "./orders.yaml" } } };
  const after = planOf({ count: 2 }, { upstreams: more });
  await using booted = new Booted({ plan: before, compile: () => ({ plan: after }) });
  await booted.supervisor.ready;
  const mark = booted.text.length;
  const answer = await booted.supervisor.command({ type: "reload", wait: true }) as { ok: boolean };
  assert.ok(answer.ok);
  const reloaded = await booted.until(() => booted.text.indexOf('"message":"reloaded"', mark) + 1);
  const told = booted.text.indexOf('governor 1 got {"type":"watchUpstreams","upstreams":{"users":', mark);
  assert.ok(told >= 0 && told < reloaded, booted.text);
  assert.ok(booted.text.slice(told).includes('"orders":'));
  // What it found meanwhile went to all workers that were there.
  for (const id of [1, 2]) {
    await booted.until(() => booted.text.slice(mark).includes(`worker ${id} got ${found}`));
  }
});

Deno.test("Supervisor starts a governor for a reload that brings the first watched endpoints", async () => {
  const after = planOf({}, { upstreams });
  await using booted = new Booted({ plan: planOf(), compile: () => ({ plan: after }) });
  await booted.supervisor.ready;
  assert.ok(!booted.text.includes("fake governor"));
  const answer = await booted.supervisor.command({ type: "reload", wait: true }) as { ok: boolean };
  assert.ok(answer.ok);
  await booted.until(() => booted.text.includes('governor 1 got {"type":"watchUpstreams"'));
  await booted.until(() =>
    booted.status.children.find(({ role, state, generation }) =>
      role === "governor" && state === "ready" && generation === 2
    )
  );
});

Deno.test("Supervisor takes back what a reload needed that was given up", async () => {
  const after = planOf({}, { upstreams, version: "failAtStart" });
  await using booted = new Booted({ plan: planOf(), compile: () => ({ plan: after }) });
  await booted.supervisor.ready;
  const answer = await booted.supervisor.command({ type: "reload", wait: true }) as { ok: boolean };
  assert.equal(answer.ok, false);
  await booted.until(() => booted.status.children.every(({ role }) => role === "worker"));
  assert.equal(booted.status.children.length, 1);
});
