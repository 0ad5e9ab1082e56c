import assert from "node:assert/strict";
import fc from "fast-check";
import {
  chooseStatsMode,
  createStatsFile,
  localStatsMemory,
  openStatsFile,
  readConnections,
  readEndpoints,
  readInflight,
  readLoops,
  readSeries,
  readSlots,
  readStreams,
  readUpstreams,
  type SlotWriter,
  type StatsMemory,
} from "./mod.ts";
import { slotBytes } from "./layout.ts";

function contents(memory: StatsMemory) {
  const series = readSeries(memory).map(({ distribution: d, ...rest }) => ({
    ...rest,
    distribution: d && [d.count, d.sum, d.min, d.max, ...[0.1, 0.5, 0.99].map((q) => d.quantile(q))],
  }));
  return {
    series,
    inflight: readInflight(memory),
    connections: readConnections(memory),
    endpoints: readEndpoints(memory),
    upstreams: readUpstreams(memory),
    loops: readLoops(memory),
    streams: readStreams(memory),
    slots: readSlots(memory),
  };
}

/** Does one of a few dozen different things to a writer. */
function act(writer: SlotWriter, step: number, rows: number[]): void {
  const n = step >> 3;
  switch (step & 7) {
    case 0:
      return writer.counter("app_total", { n: n % 5 }).add(n);
    case 1:
      return writer.histogram("app_seconds", { n: n % 3 }).record(n * 1.7);
    case 2:
      return writer.gauge("app_busy", { n: n % 2 }).set(n);
    case 3:
      return writer.distinct("app_clients").add(`${n}`);
    case 4:
      rows.push(writer.inflight.begin(writer.intern(`listener ${n % 3}`), n, n, `GET /${n}`));
      return writer.inflight.mark(rows.at(-1)!, "märk", n);
    case 5:
      return writer.inflight.end(rows.pop() ?? -1);
    case 6:
      writer.connections.open(writer.intern("api"), `10.0.0.${n}`, n % 2 === 0, n);
      return actOnUpstreams(writer, n);
    default:
      return writer.beat(n, n);
  }
}

function actOnUpstreams(writer: SlotWriter, n: number): void {
  const upstream = `upstream ${n % 3}`;
  const row = writer.endpoints.row(upstream, `10.0.1.${n}:80`, n % 2 === 0 ? "replica" : null);
  const idle = { idle: n, busy: 1, waiters: 0, attempts: n, failures: 0, oldestMs: 0 };
  const figures = {
    state: "ejected",
    until: n,
    cause: `cause ${n}`,
    weight: 1,
    priority: 0,
    ewmaMs: n,
    inflight: n,
  };
  row.set({ ...figures, ...idle, state: "ejected" });
  if (n % 3 === 0) row.end();
  const discovery = { source: `dns ${n}`, updatedAt: n, error: "", cached: false, panic: n % 2 === 0 };
  const policies = { breakers: "GET open", retryLeft: n, throttleInflight: n, throttleWaiting: 0 };
  writer.upstreams.set(upstream, { ...discovery, ...policies });
  const times = { startedAt: n, durationMs: n, nextAt: n, errorAt: n };
  const counts = { failures: n, runs: n, errors: n };
  writer.loops.set(`loop ${n % 3}`, { state: "backingOff", error: `error ${n}`, ...times, ...counts });
  const places = { sent: 4 * n, acked: n, failed: n, dropped: n, queued: n, queuedBytes: n, inflight: n };
  const rest = { oldestAt: n, retries: n, lanes: n, damagedBytes: n, ackedAt: n, at: n, errorAt: n };
  writer.streams.set(`stream ${n % 3}`, { state: "backingOff", error: `error ${n}`, ...places, ...rest });
}

const steps = fc.array(fc.nat({ max: 2000 }), { maxLength: 80 });

Deno.test("applySnapshot() shows exactly what the writer's own memory shows, at every moment", () => {
  fc.assert(
    fc.property(steps, steps, (first, second) => {
      const worker = localStatsMemory(2);
      const reader = localStatsMemory(2);
      const writer = worker.slot(1).writer({ role: "worker", id: 1, generation: 2 });
      const rows: number[] = [];
      for (const part of [first, second]) {
        for (const step of part) act(writer, step, rows);
        assert.equal(reader.applySnapshot(1, writer.snapshot()), 0);
        assert.deepEqual(contents(reader), contents(worker));
      }
    }),
    { numRuns: 25 },
  );
});

Deno.test("applySnapshot() adds to what former processes of the slot had counted, like a mapped slot that is kept", () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 4 }), (lives) => {
      const mapped = localStatsMemory(1);
      const reader = localStatsMemory(1);
      lives.forEach((life, startedAt) => {
        const identity = { role: "worker", id: 1, startedAt };
        const kept = mapped.slot(0).writer(identity);
        const fresh = localStatsMemory(1).slot(0).writer(identity);
        for (const writer of [kept, fresh]) {
          const rows: number[] = [];
          for (const step of life) act(writer, step, rows);
        }
        reader.applySnapshot(0, fresh.snapshot());
        const totals = (memory: StatsMemory) =>
          contents(memory).series.filter((s) => s.kind !== "gauge").map((
            s,
          ) => [s.name, s.labelText, s.kind, roughly(s.value), s.distribution?.map(roughly)]);
        assert.deepEqual(totals(reader), totals(mapped));
        const now = (memory: StatsMemory) => contents(memory).series.filter((s) => s.kind === "gauge");
        assert.deepEqual(now(reader), now(mapped));
        kept.close();
      });
    }),
    { numRuns: 15 },
  );
});

/** Sums of fractions depend on the order of addition in their last bits. */
function roughly(value: number): number {
  return Number(value.toPrecision(12));
}

Deno.test("applySnapshot() keeps the streams of a former process until the next one says something of them", () => {
  const reader = localStatsMemory(1);
  const shipper = (startedAt: number) =>
    localStatsMemory(1).slot(0).writer({ role: "shipper", id: 1, startedAt });
  const first = shipper(1);
  actOnUpstreams(first, 7);
  reader.applySnapshot(0, first.snapshot());
  const seen = () => readStreams(reader).rows.map(({ stream, sent, alive }) => [stream, sent, alive]);
  assert.deepEqual(seen(), [["stream 1", 28, true]]);
  const next = shipper(2);
  reader.applySnapshot(0, next.snapshot());
  assert.deepEqual(seen(), [["stream 1", 28, false]]);
  actOnUpstreams(next, 8);
  reader.applySnapshot(0, next.snapshot());
  assert.deepEqual(seen(), [["stream 1", 28, false], ["stream 2", 32, true]]);
  actOnUpstreams(next, 10);
  reader.applySnapshot(0, next.snapshot());
  assert.deepEqual(seen(), [["stream 1", 40, true], ["stream 2", 32, true]]);
});

Deno.test("applySnapshot() shows what a mapped file shows", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/stats`;
  createStatsFile(path, { slots: 2 });
  const writer = openStatsFile(path).slot(1).writer({ role: "worker", id: 1 });
  const rows: number[] = [];
  for (let step = 0; step < 3000; step++) act(writer, (step * 7919) % 2000, rows);
  const reader = localStatsMemory(2);
  reader.applySnapshot(1, writer.snapshot());
  assert.deepEqual(contents(reader), contents(openStatsFile(path)));
  assert.ok(contents(reader).series.length === 16);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("applySnapshot() refuses damaged bytes and changes nothing", () => {
  const reader = localStatsMemory(1);
  const writer = localStatsMemory(1).slot(0).writer({ role: "worker", id: 1 });
  writer.counter("app_total").add(5);
  const good = writer.snapshot();
  reader.applySnapshot(0, good);
  const before = JSON.stringify(contents(reader));
  writer.counter("app_total").add(5);
  const next = writer.snapshot();
  for (const length of [0, 7, 8 + 4, next.length - 1, next.length - 8]) {
    assert.throws(() => reader.applySnapshot(0, next.subarray(0, length)), RangeError, `${length}`);
  }
  for (const [at, value] of [[0, 1], [4, 99], [8, -1], [8, slotBytes], [12, 0], [12, 2 ** 30]] as const) {
    const damaged = next.slice();
    new DataView(damaged.buffer).setInt32(at, value, true);
    assert.throws(() => reader.applySnapshot(0, damaged), RangeError, `${at}`);
  }
  assert.equal(JSON.stringify(contents(reader)), before);
  reader.applySnapshot(0, next);
  assert.equal(readSeries(reader, { only: (n) => n === "app_total" })[0]!.value, 10);
});

Deno.test("applySnapshot() takes bytes at any offset of a larger buffer", () => {
  const reader = localStatsMemory(1);
  const writer = localStatsMemory(1).slot(0).writer({ role: "worker", id: 7 });
  const bytes = writer.snapshot();
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  reader.applySnapshot(0, shifted.subarray(3));
  assert.equal(reader.slot(0).id, "7");
});

Deno.test("chooseStatsMode() says why there are snapshots", () => {
  assert.deepEqual(chooseStatsMode("snapshot"), { mode: "snapshot", reason: "asked for" });
  const { mode } = chooseStatsMode();
  assert.equal(mode, Deno.build.os === "windows" ? "snapshot" : "mapped");
});
