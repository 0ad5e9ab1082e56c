import assert from "node:assert/strict";
import type { StreamFigures } from "../stream/contract.ts";
import { maxStreams } from "./layout.ts";
import { localStatsMemory, readStreams, type StatsMemory } from "./mod.ts";

const calm: StreamFigures = {
  state: "sending",
  sent: 100,
  acked: 60,
  failed: 3,
  dropped: 7,
  queued: 30,
  queuedBytes: 2 ** 33,
  oldestAt: 900,
  inflight: 20,
  retries: 2,
  lanes: 4,
  damagedBytes: 12,
  ackedAt: 950,
  at: 1000,
  error: "",
  errorAt: 0,
};
const bad: StreamFigures = { ...calm, state: "backingOff", at: 2000, error: "no broker", errorAt: 1999 };
const deadPid = 2 ** 22 + 1;

const shipper = (memory: StatsMemory, more: { pid?: number; startedAt?: number } = {}) =>
  memory.slot(0).writer({ role: "shipper", id: 1, ...more });
const seen = (memory: StatsMemory) => readStreams(memory).rows;

Deno.test("set() shows a stream, and what changed of it", () => {
  const memory = localStatsMemory(2);
  const { streams } = memory.slot(1).writer({ role: "shipper", id: 1 });
  streams.set("decisions", calm);
  const where = { slot: 1, worker: "shipper-1", stream: "decisions", alive: true };
  assert.deepEqual(readStreams(memory), { total: 1, rows: [{ ...where, ...calm }] });
  streams.set("decisions", bad);
  streams.set("audit", calm);
  assert.deepEqual(seen(memory), [{ ...where, stream: "audit", ...calm }, { ...where, ...bad }]);
  streams.set("decisions", calm);
  assert.equal(seen(memory)[1]!.error, "");
});

Deno.test("set() cuts long errors, and tells nothing of streams past the last row", () => {
  const memory = localStatsMemory(1);
  const { streams } = shipper(memory);
  for (let n = 0; n <= maxStreams; n++) streams.set(`s${n}`, { ...bad, error: "é".repeat(999) });
  const { total, rows } = readStreams(memory);
  assert.equal(total, maxStreams);
  for (const { error } of rows) assert.match(error, /^é{128}$/);
  assert.ok(!rows.some(({ stream }) => stream === `s${maxStreams}`));
});

Deno.test("readStreams() shows the figures before when the writer died in the middle of a row", () => {
  const memory = localStatsMemory(1);
  const { streams } = shipper(memory);
  const dying = {
    ...bad,
    sent: 1,
    get retries(): number {
      throw new Error("died");
    },
  };
  assert.throws(() => streams.set("decisions", dying), /died/);
  assert.deepEqual(seen(memory), []);
  streams.set("decisions", calm);
  assert.throws(() => streams.set("decisions", dying), /died/);
  const { slot: _, worker: _w, stream: _s, alive: _a, ...figures } = seen(memory)[0]!;
  assert.deepEqual(figures, calm);
});

Deno.test("rows stay when their writer leaves or dies, and say so until the next writer sets them", () => {
  const memory = localStatsMemory(1);
  const first = shipper(memory, { startedAt: 1 });
  first.streams.set("decisions", bad);
  first.streams.set("audit", calm);
  first.close();
  const brief = () => seen(memory).map(({ stream, at, error, alive }) => [stream, at, error, alive]);
  assert.deepEqual(brief(), [["audit", 1000, "", false], ["decisions", 2000, "no broker", false]]);
  const next = shipper(memory, { pid: deadPid, startedAt: 2 });
  assert.deepEqual(brief(), [["audit", 1000, "", false], ["decisions", 2000, "no broker", false]]);
  next.streams.set("decisions", { ...calm, at: 3000 });
  assert.deepEqual(brief(), [["audit", 1000, "", false], ["decisions", 3000, "", false]]);
  const last = shipper(memory, { startedAt: 3 });
  last.streams.set("decisions", { ...calm, at: 4000 });
  assert.deepEqual(brief(), [["audit", 1000, "", false], ["decisions", 4000, "", true]]);
});

Deno.test("set() takes the row of a stream that a former writer had when there is no other", () => {
  const memory = localStatsMemory(1);
  const first = shipper(memory, { startedAt: 1 });
  for (let n = 0; n < maxStreams; n++) first.streams.set(`old${n}`, bad);
  first.close();
  const next = shipper(memory, { startedAt: 2 });
  next.streams.set("old0", calm);
  next.streams.set("new", calm);
  const { total, rows } = readStreams(memory);
  assert.equal(total, maxStreams);
  const alive = rows.filter(({ alive }) => alive).map(({ stream, error }) => [stream, error]);
  assert.deepEqual(alive, [["new", ""], ["old0", ""]]);
});

Deno.test("readStreams() reads figures of one moment while a thread writes them at full speed", async () => {
  const memory = localStatsMemory(1);
  const thread = new Worker(import.meta.resolve("./testdata/stream_writer.ts"), { type: "module" });
  try {
    let written = 0;
    const ended = new Promise<void>((resolve, reject) => {
      thread.onerror = (event) => reject(new Error(event.message));
      thread.onmessage = ({ data }) => resolve(void (written = data));
    });
    thread.postMessage(memory.threadView());
    const moments = new Set<number>();
    let last = 0;
    let turn: ReturnType<typeof setTimeout>;
    await Promise.race([
      ended,
      new Promise<void>(function look(resolve) {
        if (written > 0) return resolve();
        for (let i = 0; i < 200; i++) {
          const [row] = seen(memory);
          if (!row) {
            assert.equal(last, 0, "the row went away");
            continue;
          }
          const { sent, acked, failed, dropped, queued, at, error } = row;
          assert.equal(sent, acked + failed + dropped + queued);
          assert.deepEqual([queued, sent, error], [at, 10 * at, `error ${at}`]);
          assert.ok(at >= last);
          moments.add(last = at);
        }
        turn = setTimeout(look, 0, resolve);
      }),
    ]);
    clearTimeout(turn!);
    assert.ok(moments.size > 20, `${moments.size} moments of ${written}`);
    assert.equal(seen(memory)[0]!.at, written);
  } finally {
    thread.terminate();
  }
});
