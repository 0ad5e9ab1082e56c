import assert from "node:assert/strict";
import { HeartbeatWatch, localStatsMemory } from "./mod.ts";

Deno.test("HeartbeatWatch measures silence by its own clock, whatever the writer's clock says", () => {
  const slot = localStatsMemory(1).slot(0);
  const writer = slot.writer({ role: "worker", id: 1 });
  const watch = new HeartbeatWatch(slot);
  assert.equal(watch.silentForMs(100), 0);
  assert.equal(watch.silentForMs(600), 500);
  writer.beat(0, 5);
  assert.equal(watch.silentForMs(700), 0);
  writer.beat(0, 1e15);
  assert.equal(watch.silentForMs(800), 0);
  assert.equal(watch.silentForMs(3000), 2200);
});

Deno.test("HeartbeatWatch starts afresh when another process takes the slot", () => {
  const slot = localStatsMemory(1).slot(0);
  slot.writer({ role: "worker", id: 1, pid: 2 ** 22 + 1 });
  const watch = new HeartbeatWatch(slot);
  watch.silentForMs(0);
  assert.equal(watch.silentForMs(900), 900);
  slot.writer({ role: "worker", id: 1 });
  assert.equal(watch.silentForMs(1000), 0);
});
