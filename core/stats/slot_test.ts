import assert from "node:assert/strict";
import { localStatsMemory, readSlots } from "./mod.ts";

Deno.test("Slot.info() shows who writes and how it is", () => {
  const memory = localStatsMemory(4);
  const writer = memory.slot(2).writer({ role: "worker", id: "w1", generation: 3, startedAt: 500 });
  writer.state("ready");
  writer.beat(4, 1000);
  writer.beat(2, 2000);
  writer.mark("reading the configuration", 1500);
  writer.inflight.begin(0, -1, 1);
  writer.connections.open(0, "::1", false, 1);
  const [info] = readSlots(memory);
  assert.deepEqual(info, {
    slot: 2,
    pid: Deno.pid,
    role: "worker",
    id: "w1",
    generation: 3,
    state: "ready",
    alive: true,
    startedAt: 500,
    beats: 2,
    beatAt: 2000,
    loopDelayMs: 2,
    loopDelayMaxMs: 4,
    mark: "reading the configuration",
    markedAt: 1500,
    inflight: 1,
    connections: 1,
    series: 5,
    writers: 1,
  });
});

Deno.test("silentForMs() counts from the last heartbeat, and from the start before the first", () => {
  const slot = localStatsMemory(1).slot(0);
  const writer = slot.writer({ role: "worker", id: 1, startedAt: 1000 });
  assert.equal(slot.silentForMs(1500), 500);
  writer.beat(0, 2000);
  assert.equal(slot.silentForMs(2300), 300);
  assert.equal(slot.silentForMs(1900), 0);
});

Deno.test("alive is false when the writer closed or its process is gone", () => {
  const memory = localStatsMemory(2);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  assert.equal(memory.slot(0).alive, true);
  writer.close();
  assert.equal(memory.slot(0).alive, false);
  memory.slot(1).writer({ role: "worker", id: 2, pid: 2 ** 22 + 1 });
  assert.equal(memory.slot(1).alive, false);
});

Deno.test("worker names workers and threads by id and other processes by role and id", () => {
  const memory = localStatsMemory(3);
  memory.slot(0).writer({ role: "worker", id: 1 });
  memory.slot(1).writer({ role: "thread", id: 1 });
  memory.slot(2).writer({ role: "governor", id: 1 });
  assert.deepEqual(memory.usedSlots().map((slot) => slot.worker), ["1", "1", "governor-1"]);
});

Deno.test("entries() sees series that were registered after it was called", () => {
  const slot = localStatsMemory(1).slot(0);
  const writer = slot.writer({ role: "worker", id: 1 });
  const before = slot.entries().length;
  writer.histogram("weir_late_seconds", { a: "b" }, { unit: "us", help: "How late" });
  const { cell: _, ...entry } = slot.entries()[before]!;
  assert.deepEqual(entry, {
    kind: "histogram",
    name: "weir_late_seconds",
    labels: 'a="b"',
    help: "How late",
    unit: "us",
    merge: "sum",
  });
});
