import assert from "node:assert/strict";
import { readLoops, readSlots, type StatsMemory } from "../stats/mod.ts";
import { runs } from "./testdata/loops.ts";
import { serve, total } from "./testdata/serve.ts";

const module = new URL("./testdata/loops.ts", import.meta.url).pathname;

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < end, "not within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const stateOf = (memory: StatsMemory, name: string) =>
  readLoops(memory).rows.find(({ loop }) => loop === name)?.state;

Deno.test("startWorker() runs its loops beside its listeners, and no longer after a drain", async () => {
  const loops = { quick: { handler: `${module}#counting`, every: "10ms" } };
  await using service = await serve({}, "default", { loops });
  await until(() => runs.length >= 3);
  assert.deepEqual(runs.slice(0, 2), ["loop-quick-1", "loop-quick-2"]);
  assert.equal(await (await fetch(service.url)).text(), "hello /");
  assert.ok(total(service.memory, "app_runs") >= 3);
  assert.equal(await service.worker.drain({ keepAcceptingMs: 0, drainMs: 1000, steer: null }), 0);
  const { length } = runs;
  // No timer is left; the runtime's own check of that holds for this test.
  assert.equal(readLoops(service.memory).total, 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(runs.length, length);
});

Deno.test("drain() waits for a run no longer than it may, and counts it", async () => {
  const loops = { deaf: { handler: `${module}#deaf`, every: "10ms", timeout: 0 } };
  await using service = await serve({}, "default", { loops });
  await until(() => stateOf(service.memory, "deaf") === "running");
  const began = performance.now();
  assert.equal(await service.worker.drain({ keepAcceptingMs: 0, drainMs: 300, steer: null }), 1);
  const ms = performance.now() - began;
  assert.ok(ms >= 290 && ms < 1500, `${ms} ms`);
});

Deno.test("startWorker() rejects a loop whose handler is no function", async () => {
  const loops = { bad: { handler: `${module}#text`, every: "10ms" } };
  await assert.rejects(
    serve({}, "default", { loops }),
    /Cannot run loops\.bad: export "text" .* is no function/,
  );
});

Deno.test("startWorker() drains a worker whose fatal loop fails and that nobody supervises", async () => {
  const loops = { fatal: { handler: `${module}#failing`, every: "10ms", fatal: true } };
  await using service = await serve({}, "default", { loops });
  await until(() => readSlots(service.memory)[0]!.state === "stopped");
  await assert.rejects(fetch(service.url));
});
