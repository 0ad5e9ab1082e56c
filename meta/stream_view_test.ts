import assert from "node:assert/strict";
import type { WorkerStream } from "../core/stats/mod.ts";
import { attention } from "./attention.ts";
import { streams } from "./pages/streams.ts";
import { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";
import { streamMetrics } from "./stream_metrics.ts";
import { streamViews } from "./stream_view.ts";

const now = 1_000_000;

function told(more: Partial<WorkerStream> = {}): WorkerStream {
  return {
    slot: 2,
    worker: "shipper-1",
    stream: "decisions",
    alive: true,
    state: "sending",
    sent: 100,
    acked: 90,
    failed: 0,
    dropped: 0,
    queued: 10,
    queuedBytes: 100,
    oldestAt: now - 40,
    inflight: 5,
    retries: 0,
    lanes: 2,
    damagedBytes: 0,
    ackedAt: now - 20,
    at: now - 300,
    error: "",
    errorAt: 0,
    ...more,
  };
}

function look(rows: WorkerStream[], { upMs = 60_000, shippers = 1, refusedPerSecond = 0 } = {}): Sight {
  const refused = { name: "weir_stream_refused_total", labels: { stream: "decisions" }, value: 4 };
  const shipper = { role: "shipper", id: 1, pid: 77, slot: 2, state: "ready", startedAt: now - upMs };
  return {
    now,
    plan: {
      streams: { decisions: { file: "/srv/out.jsonl", spool: { max: 1000, full: "block" } } },
      loops: {},
      upstreams: {},
      listeners: {},
      workers: { memory: 0 },
    },
    state: {
      ready: true,
      startedAt: now - upMs,
      children: new Array(shippers).fill(shipper),
      exits: [],
      lastReload: null,
    },
    streams: () => rows,
    streamTrend: () => {
      const trend = { ratePerSecond: 3, points: [1, 3] };
      return { sent: trend, acked: trend };
    },
    loops: () => [],
    endpoints: () => [],
    upstreams: () => [],
    series: () => refusedPerSecond > 0 ? [refused] : [],
    slots: () => [],
    trend: () => ({ ratePerSecond: refusedPerSecond, points: [] }),
    inflight: () => ({ total: 0, rows: [] }),
  } as unknown as Sight;
}

function view(sight: Sight) {
  return streamViews(sight, new SeriesIndex(sight.series()))[0]!;
}

function said(sight: Sight): string[] {
  return attention(sight).map(({ tone, text, href }) => {
    assert.equal(href, "/streams");
    return `${tone} ${text}`;
  });
}

Deno.test("streamViews() shows what the living shipper says", () => {
  const sight = look([told()]);
  const { state, alive, shipper, full, oldestMs, ageMs, sink, target, incoming } = view(sight);
  assert.deepEqual([state, alive, shipper, full, oldestMs, ageMs], ["sending", true, "", 0.1, 40, 300]);
  assert.deepEqual([sink, target, incoming.ratePerSecond], ["file", "/srv/out.jsonl", 3]);
  assert.deepEqual(said(sight), []);
});

Deno.test("streamViews() keeps the figures of a shipper that is gone, and says how old they are", () => {
  const dead = told({ alive: false, at: now - 12_000 });
  const { figures, state, shipper } = view(look([dead], { shippers: 0 }));
  assert.deepEqual([figures!.queued, state], [10, "stopped"]);
  assert.equal(shipper, "no shipper runs; its last report is 12 s old");
  assert.deepEqual(said(look([dead], { shippers: 0 })), [
    "bad decisions: no shipper runs; its last report is 12 s old; 10 records wait, the oldest for 40 ms",
  ]);
  assert.deepEqual(said(look([dead], { upMs: 2000 })), [
    "warn decisions: the shipper has just started; its last report is 12 s old; " +
    "10 records wait, the oldest for 40 ms",
  ]);
  assert.match(
    said(look([dead]))[0]!,
    /^bad decisions: the shipper \(pid 77\) says nothing of this stream; its last/,
  );
  assert.match(streamMetrics(look([dead])), /^weir_stream_figures_age_seconds\{stream="decisions"\} 12$/m);
});

Deno.test("streamViews() takes state from the shipper that waits for the lock, and counts from the one that had it", () => {
  const dead = told({ slot: 3, alive: false, at: now - 12_000 });
  const waits = told({ state: "waitingForLock", sent: 0, acked: 0, queued: 0, oldestAt: 0, at: now });
  const sight = look([waits, dead]);
  const { figures, state, alive, shipper } = view(sight);
  assert.deepEqual([figures!.sent, state, alive, shipper], [100, "waitingForLock", true, ""]);
  assert.deepEqual(said(sight), [
    "warn decisions: another process has the spool; 10 records wait, the oldest for 40 ms",
  ]);
  const both = view(look([told({ slot: 4 }), waits]));
  assert.deepEqual([both.figures!.slot, both.figures!.sent], [4, 100]);
});

Deno.test("streamViews() of a stream that nobody has told of knows nothing, and the page says so", () => {
  const sight = look([]);
  const { figures, state, ageMs, full, oldestMs } = view(sight);
  assert.deepEqual([figures, state, ageMs, full, oldestMs], [undefined, undefined, null, null, null]);
  assert.match(said(sight)[0]!, /^bad .* says nothing of this stream; how many records wait is not known$/);
  assert.equal(streamMetrics(sight), "");
  const [all, records, errors, refused] = streams.render(sight).sections;
  assert.deepEqual([all, records, errors, refused].map((one) => one!.rows.length), [1, 1, 0, 0]);
});

Deno.test("attention() says what is wrong with a stream, and what it means for its records", () => {
  const cases: [Partial<WorkerStream>, RegExp][] = [
    [
      { at: now - 12_000 },
      /^bad decisions: the shipper has not reported for 12 s; 10 records wait, the oldest/,
    ],
    [
      { state: "backingOff", error: "no broker", queued: 1, oldestAt: now - 90_000 },
      /^bad decisions: the sink takes nothing, 1 record waits, the oldest for 1m 30s: no broker$/,
    ],
    [
      { queuedBytes: 810 },
      /^warn decisions: its spool is 81 % full \(810 B of 1000 B\); when it is full senders/,
    ],
    [{ queuedBytes: 1000 }, /^bad decisions: its spool is 100 % full/],
    [{ failed: 2 }, /^warn decisions: 2 records failed: dead letters, or damaged in the spool$/],
    [{ dropped: 1 }, /^warn decisions: 1 record given up because the spool was full$/],
    [{ damagedBytes: 512 }, /^warn decisions: 512 B of its spool could not be read$/],
  ];
  for (const [more, text] of cases) {
    const found = said(look([told(more)]));
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0]!, text);
  }
  assert.deepEqual(said(look([told({ queuedBytes: 800 })])), []);
  assert.deepEqual(said(look([told()], { refusedPerSecond: 3 })), ["bad decisions: 3/s records are refused"]);
});
