import assert from "node:assert/strict";
import {
  localStatsMemory,
  readConnections,
  readInflight,
  readSeries,
  type Series,
  type StatsMemory,
} from "./mod.ts";
import { maxSeries, maxStrings } from "./layout.ts";

function named(memory: StatsMemory, name: string, perWorker = false): Series[] {
  return readSeries(memory, { perWorker, only: (n) => n === name });
}

Deno.test("counter() returns the same cell for the same name and labels", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  writer.counter("weir_requests_total", { a: 1, b: 2 }).add(2);
  writer.counter("weir_requests_total", { b: 2, a: 1 }).add();
  writer.counter("weir_requests_total", { a: 2 }).add(10);
  assert.equal(
    writer.counter("weir_requests_total", { a: 1, b: 2 }),
    writer.counter("weir_requests_total", { b: 2, a: 1 }),
  );
  assert.deepEqual(named(memory, "weir_requests_total").map((s) => [s.labels, s.value]), [
    [{ a: "1", b: "2" }, 3],
    [{ a: "2" }, 10],
  ]);
});

Deno.test("gauge() sets, adds and is read back", () => {
  const writer = localStatsMemory(1).slot(0).writer({ role: "worker", id: 1 });
  const gauge = writer.gauge("weir_busy");
  gauge.set(5);
  gauge.add(-2);
  gauge.add();
  assert.equal(gauge.value, 4);
  assert.equal(writer.gauge("weir_busy").value, 4);
});

Deno.test("histogram() throws when the series is known as something else", () => {
  const writer = localStatsMemory(1).slot(0).writer({ role: "worker", id: 1 });
  writer.counter("weir_x_total");
  assert.throws(() => writer.histogram("weir_x_total"), /Cannot use weir_x_total as a histogram/);
  writer.histogram("weir_y_seconds", {}, { unit: "ms" });
  assert.throws(() => writer.histogram("weir_y_seconds", {}, { unit: "us" }), TypeError);
});

Deno.test("counter() goes to the overflow and is counted as dropped when the directory is full", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  const before = memory.slot(0).entries().length;
  for (let n = before; n < maxSeries; n++) writer.counter("weir_many_total", { n }).add();
  const first = writer.counter("weir_late_total", { n: 1 });
  const second = writer.counter("weir_late_total", { n: 2 });
  first.add(3);
  second.add(4);
  writer.gauge("weir_late").set(9);
  writer.histogram("weir_late_seconds").record(9);
  writer.distinct("weir_late_clients").add("x");
  assert.equal(memory.slot(0).entries().length, maxSeries);
  assert.equal(named(memory, "weir_series_overflow_total")[0]!.value, 7);
  assert.equal(named(memory, "weir_series_dropped_total")[0]!.value, 5);
  assert.equal(named(memory, "weir_many_total").reduce((sum, s) => sum + s.value, 0), maxSeries - before);
});

Deno.test("histogram() goes to the overflow when the cells are full, and counters still find room in the directory", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  for (let n = 0; n < 600; n++) writer.histogram("weir_many_seconds", { n }).record(n);
  const kept = named(memory, "weir_many_seconds");
  assert.ok(kept.length > 300 && kept.length < 600);
  for (const series of kept) assert.equal(series.distribution!.max, Number(series.labels.n));
  assert.equal(named(memory, "weir_series_dropped_total")[0]!.value, 600 - kept.length);
});

Deno.test("counter() refuses a label text too long to store, instead of merging it with another", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  writer.counter("weir_x_total", { path: "x".repeat(300) }).add();
  assert.deepEqual(named(memory, "weir_x_total"), []);
  assert.equal(named(memory, "weir_series_dropped_total")[0]!.value, 1);
});

Deno.test("writer() refuses a slot that a living process writes, and gives it when that one closed", () => {
  const slot = localStatsMemory(1).slot(0);
  const writer = slot.writer({ role: "worker", id: 1 });
  assert.throws(() => slot.writer({ role: "worker", id: 2 }), new RegExp(`process ${Deno.pid} writes it`));
  writer.close();
  assert.equal(slot.state, "stopped");
  slot.writer({ role: "worker", id: 2 });
  assert.throws(() => slot.writer({ role: "worker", id: 3 }));
  slot.writer({ role: "worker", id: 3, takeOver: true });
  assert.equal(slot.id, "3");
});

Deno.test("close() empties the tables and keeps the counts", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  writer.counter("weir_requests_total").add(5);
  writer.inflight.begin(0, writer.connections.open(0, "10.0.0.1", false, 1), 1, "GET /");
  writer.close();
  assert.deepEqual([readInflight(memory).total, readConnections(memory).total], [0, 0]);
  assert.deepEqual([memory.slot(0).info().inflight, memory.slot(0).info().connections], [0, 0]);
  assert.equal(named(memory, "weir_requests_total")[0]!.value, 5);
});

Deno.test("close() of a writer that lost its slot changes nothing", () => {
  const slot = localStatsMemory(1).slot(0);
  const old = slot.writer({ role: "worker", id: 1, pid: 2 ** 22 + 1 });
  slot.writer({ role: "worker", id: 2 }).state("ready");
  old.close();
  assert.deepEqual([slot.pid, slot.state], [Deno.pid, "ready"]);
});

Deno.test("writer() keeps counters, histograms and distinct counts and resets what is about now", () => {
  const memory = localStatsMemory(1);
  const slot = memory.slot(0);
  const first = slot.writer({ role: "worker", id: 1, generation: 1 });
  first.counter("weir_requests_total").add(5);
  first.histogram("weir_request_duration_seconds").record(50);
  first.distinct("weir_clients").add("a");
  first.gauge("weir_busy").set(3);
  first.gauge("weir_old").set(3);
  first.inflight.begin(first.intern("api"), first.connections.open(0, "10.0.0.1", true, 1), 1, "GET /");
  first.beat(7, 1000);
  first.mark("loading", 1000);
  // No close(): the first is gone the hard way.
  const second = slot.writer({ role: "worker", id: 1, generation: 2, takeOver: true });
  second.counter("weir_requests_total").add(2);
  second.histogram("weir_request_duration_seconds").record(70);
  second.distinct("weir_clients").add("b");
  second.gauge("weir_busy").add(1);
  const value = (name: string) => named(memory, name)[0]?.value;
  assert.deepEqual(
    [
      value("weir_requests_total"),
      value("weir_request_duration_seconds"),
      value("weir_clients"),
      value("weir_busy"),
    ],
    [7, 2, 2, 1],
  );
  assert.equal(value("weir_old"), undefined);
  assert.deepEqual([readInflight(memory).total, readConnections(memory).total], [0, 0]);
  const info = slot.info();
  assert.deepEqual([info.beats, info.loopDelayMaxMs, info.mark, info.writers, info.generation, info.state], [
    0,
    0,
    "",
    2,
    2,
    "starting",
  ]);
  // Numbers of requests go on, so that a log line and a row of two processes never share one.
  second.inflight.begin(0, -1, 1);
  assert.equal(readInflight(memory).rows[0]!.id, 2);
});

Deno.test("intern() gives one index per text and 0 when the table is full", () => {
  const slot = localStatsMemory(1).slot(0);
  const writer = slot.writer({ role: "worker", id: 1 });
  const api = writer.intern("api");
  assert.equal(writer.intern("api"), api);
  assert.equal(slot.text(api), "api");
  for (let n = 0; n < maxStrings; n++) writer.intern(`listener ${n}`);
  assert.equal(writer.intern("one more"), 0);
  assert.equal(slot.text(0), "");
  assert.equal(slot.text(-1) + slot.text(99_999), "");
});

Deno.test("snapshot() of a fresh writer is small", () => {
  const writer = localStatsMemory(1).slot(0).writer({ role: "worker", id: 1 });
  assert.ok(writer.snapshot().byteLength < 4096);
});
