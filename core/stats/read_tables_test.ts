import assert from "node:assert/strict";
import { localStatsMemory, readConnections, readInflight, readSlots } from "./mod.ts";

function threeSlots() {
  const memory = localStatsMemory(4);
  for (const slot of [0, 1, 3]) {
    const writer = memory.slot(slot).writer({
      role: "worker",
      id: slot,
      pid: slot === 1 ? 2 ** 22 + 1 : Deno.pid,
    });
    for (let n = 0; n < 3; n++) {
      const row = writer.connections.open(
        writer.intern(`listener ${slot}`),
        `peer ${slot}`,
        false,
        100 * n + slot,
      );
      writer.inflight.begin(writer.intern(`listener ${slot}`), row, 100 * n + slot, `request ${slot}.${n}`);
    }
  }
  return memory;
}

Deno.test("readInflight() lists the oldest first and says how many there are", () => {
  const { total, rows } = readInflight(threeSlots(), { limit: 4 });
  assert.equal(total, 9);
  assert.deepEqual(rows.map((r) => r.text), ["request 0.0", "request 1.0", "request 3.0", "request 0.1"]);
  assert.deepEqual(rows.map((r) => r.listener), ["listener 0", "listener 1", "listener 3", "listener 0"]);
});

Deno.test("readInflight() and readConnections() read only the slots that are asked for", () => {
  const memory = threeSlots();
  const alive = { only: (slot: { alive: boolean }) => slot.alive };
  assert.deepEqual([...new Set(readInflight(memory, alive).rows.map((r) => r.slot))], [0, 3]);
  assert.deepEqual([...new Set(readConnections(memory, alive).rows.map((c) => c.peer))], [
    "peer 0",
    "peer 3",
  ]);
});

Deno.test("readSlots() lists the slots that were ever written", () => {
  const memory = threeSlots();
  assert.deepEqual(readSlots(memory).map((s) => [s.slot, s.alive]), [[0, true], [1, false], [3, true]]);
});

Deno.test("the readers survive a slot full of nonsense", () => {
  const memory = threeSlots();
  crypto.getRandomValues(memory.slot(0).views.bytes.subarray(0, 60_000));
  const { rows } = readInflight(memory);
  assert.ok(rows.some((r) => r.slot === 3));
  readConnections(memory);
  readSlots(memory);
  memory.slot(0).entries();
});
