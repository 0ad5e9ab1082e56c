/** The shipper as one of the supervisor's children: started, watched, replaced, drained. The children are fake ones. */
import assert from "node:assert/strict";
import type { Plan } from "../manifest/plan.ts";
import { Booted, planOf } from "./testdata/boot.ts";

/** A plan with streams of these names; the fake shipper ships nothing. */
function withStreams(names: string[], workers: Record<string, unknown> = {}, more: object = {}): Plan {
  const streams = Object.fromEntries(names.map((name) => [name, { file: `./${name}.jsonl` }]));
  return planOf(workers, { streams, ...more });
}

function shipperOf(booted: Booted) {
  return booted.status.children.find(({ role, state }) => role === "shipper" && state === "ready");
}

/** `shipper 1 drains` and the like, in the order in which they were written. */
function lives(booted: Booted): string[] {
  return [...booted.text.matchAll(/"message":"(\w+ \d (?:drains|is gone))"/g)].map(([, text]) => text!);
}

Deno.test("Supervisor starts one shipper beside the workers, and drains it after them and before the governor", async () => {
  const plan = withStreams(["a", "b"], { count: 2, drain: "5s" }, { meta: { listen: "127.0.0.1:0" } });
  await using booted = new Booted({ plan });
  await booted.supervisor.ready;
  const { children } = booted.status;
  assert.deepEqual(children.map(({ role }) => role).sort(), ["governor", "shipper", "worker", "worker"]);
  assert.equal(new Set(children.map(({ slot }) => slot)).size, 4);
  booted.supervisor.signal("SIGTERM");
  assert.deepEqual(
    await booted.supervisor.ended,
    { code: 0, message: "" },
    "records that are left are no failure",
  );
  assert.deepEqual(lives(booted).slice(-4), [
    "shipper 1 drains",
    "shipper 1 is gone",
    "governor 1 drains",
    "governor 1 is gone",
  ]);
  const limitMs = Number(/shipper 1 drains .* within ([\d.]+) ms/.exec(booted.text)![1]);
  assert.ok(limitMs > 2000 && limitMs <= 5000, `${limitMs} ms: what the workers left of workers.drain`);
  const [left] = booted.records("shipper 1 leaves records in the spool");
  assert.deepEqual(left!.records, { full: 3 });
});

Deno.test("Supervisor starts no shipper where nothing is declared to be shipped", async () => {
  await using booted = new Booted({ plan: planOf() });
  await booted.supervisor.ready;
  assert.deepEqual(booted.status.children.map(({ role }) => role), ["worker"]);
});

Deno.test("Supervisor serves without a shipper that crashes at boot, and starts it ever more slowly", async () => {
  await using booted = new Booted({ plan: withStreams(["a"]), env: { FAKE_SHIPPER: "crashAtBoot" } });
  await booted.supervisor.ready;
  assert.match(await booted.ask("/"), /^1 /);
  const exits = await booted.until(() => {
    const found = booted.status.exits.filter(({ role }) => role === "shipper");
    return found.length >= 3 && found;
  });
  assert.match(exits[0]!.detail, /the last words/);
  const restarts = booted.records("shipper 1 died").map(({ restartInMs }) => Number(restartInMs));
  assert.ok(restarts[0]! < restarts[1]! && restarts[1]! < restarts[2]!, `${restarts}`);
  assert.equal(booted.status.ready, true);
  assert.deepEqual(booted.status.exits.filter(({ role }) => role === "worker"), []);
});

Deno.test("Supervisor replaces a shipper that is killed, and one that hangs, while the workers stay", async () => {
  await using booted = new Booted({ plan: withStreams(["a"], { hang: "500ms" }) });
  await booted.supervisor.ready;
  const [worker] = booted.status.children.filter(({ role }) => role === "worker");
  const first = shipperOf(booted)!;
  Deno.kill(first.pid, "SIGKILL");
  const second = await booted.until(() => {
    const found = shipperOf(booted);
    return found?.pid !== first.pid && found;
  });
  assert.equal(second.slot, first.slot, "the slot is used again");
  Deno.kill(second.pid, "SIGSTOP");
  await booted.until(() => {
    const found = shipperOf(booted);
    return found !== undefined && found.pid !== second.pid;
  }, 20_000);
  const causes = booted.status.exits.filter(({ role }) => role === "shipper").map(({ cause }) => cause);
  assert.match(causes[0]!, /^hang /);
  assert.equal(causes[1], "signal SIGKILL");
  assert.equal(booted.status.children.find(({ role }) => role === "worker")!.pid, worker!.pid);
});

Deno.test("Supervisor ends a shipper that ignores its drain, which is no failure either", async () => {
  const plan = withStreams(["a"], { drain: "100ms" });
  await using booted = new Booted({ plan, env: { FAKE_SHIPPER: "stubborn" } });
  await booted.supervisor.ready;
  booted.supervisor.signal("SIGTERM");
  assert.equal((await booted.supervisor.ended).code, 0);
  const [exit] = booted.status.exits.filter(({ role }) => role === "shipper");
  assert.match(exit!.cause, /took too long/);
});

Deno.test("Supervisor ends a shipper that drains at the second SIGINT", async () => {
  const plan = withStreams(["a"], { drain: "20s" });
  await using booted = new Booted({ plan, env: { FAKE_SHIPPER: "stubborn" } });
  await booted.supervisor.ready;
  booted.supervisor.signal("SIGINT");
  await booted.until(() =>
    booted.status.children.every(({ role, state }) => role === "shipper" && state === "draining")
  );
  const begin = performance.now();
  booted.supervisor.signal("SIGINT");
  assert.equal((await booted.supervisor.ended).code, 0);
  assert.ok(performance.now() - begin < 5000);
});

Deno.test("Supervisor replaces the shipper with its generation: in a moment where the streams stay", async () => {
  await using booted = new Booted({ plan: withStreams(["a"], { drain: "20s" }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const before = shipperOf(booted)!;
  assert.equal((await supervisor.command({ type: "reload", wait: true }) as { ok: boolean }).ok, true);
  const after = await booted.until(() => {
    const found = shipperOf(booted);
    return found?.generation === 2 && found;
  });
  assert.notEqual(after.pid, before.pid);
  assert.match(booted.text, /shipper 1 drains .* within 2000 ms/);
});

Deno.test("Supervisor lets a shipper of removed streams outlive the workers that write them", async () => {
  let plan = withStreams(["a"], { drain: "20s" });
  await using booted = new Booted({ plan, compile: () => ({ plan }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const [worker] = booted.status.children.filter(({ role }) => role === "worker");
  await booted.ask("/stubborn");
  plan = planOf({ drain: "20s" });
  assert.equal((await supervisor.command({ type: "reload", wait: true }) as { ok: boolean }).ok, true);
  await booted.until(() =>
    booted.status.children.find(({ pid }) => pid === worker!.pid)?.state === "draining"
  );
  assert.equal(shipperOf(booted)?.generation, 1, "it waits for the worker");
  Deno.kill(worker!.pid, "SIGKILL");
  await booted.until(() => !booted.status.children.some(({ role }) => role === "shipper"));
  assert.match(booted.text, /shipper 1 drains .* within 20000 ms/);
  await booted.until(() => lives(booted).at(-1) === "shipper 1 is gone");
  assert.equal(booted.status.ready, true);
});
