/** What one statistic costs in mapped memory: nanoseconds per operation, best and median of 7 rounds. */
import {
  createStatsFile,
  openStatsFile,
  readConnections,
  readInflight,
  readSeries,
  removeStatsFile,
  renderPrometheus,
  statsFilePath,
} from "../core/stats/mod.ts";

const folder = Deno.makeTempDirSync();
const path = statsFilePath(folder);
createStatsFile(path);
const memory = openStatsFile(path);
const writer = memory.slot(0).writer({ role: "worker", id: 1 });
const counter = writer.counter("bench_total");
const gauge = writer.gauge("bench_busy");
const histogram = writer.histogram("bench_duration_seconds");
const distinct = writer.distinct("bench_clients");
const listener = writer.intern("api");
const connection = writer.connections.open(listener, "127.0.0.1:50000", false, 0);
const kept = writer.inflight.begin(listener, connection, 0, "GET /");
const budget = memory.shared.int32("bench");
const { inflight, connections } = writer;
const text = "GET /users/123456789";

function row(name: string, unit: string, times: number[]): void {
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1]!;
  console.log(
    `${name.padEnd(36)} ${times[0]!.toFixed(1).padStart(8)} ${median.toFixed(1).padStart(8)} ${unit}`,
  );
}

function perOperation(name: string, loop: (count: number) => void): void {
  const count = 500_000;
  const times: number[] = [];
  for (let round = 0; round < 8; round++) {
    const start = performance.now();
    loop(count);
    if (round > 0) times.push((performance.now() - start) * 1e6 / count);
  }
  row(name, "ns", times);
}

console.log(`${"".padEnd(36)} ${"best".padStart(8)} ${"median".padStart(8)}`);
perOperation("counter.add()", (n) => {
  for (let i = 0; i < n; i++) counter.add();
});
perOperation("gauge.set()", (n) => {
  for (let i = 0; i < n; i++) gauge.set(i);
});
perOperation("histogram.record()", (n) => {
  for (let i = 0; i < n; i++) histogram.record((i & 1023) * 0.37);
});
perOperation("distinct.add() of 13 characters", (n) => {
  for (let i = 0; i < n; i++) distinct.add("192.168.100.7");
});
perOperation("inflight begin + end, 20 characters", (n) => {
  for (let i = 0; i < n; i++) inflight.end(inflight.begin(listener, connection, i, text));
});
perOperation("inflight begin + end, no text", (n) => {
  for (let i = 0; i < n; i++) inflight.end(inflight.begin(listener, connection, i));
});
perOperation("inflight.mark() of 20 characters", (n) => {
  for (let i = 0; i < n; i++) inflight.mark(kept, text, i);
});
perOperation("connections open + close", (n) => {
  for (let i = 0; i < n; i++) connections.close(connections.open(listener, "127.0.0.1:50000", false, i));
});
perOperation("connections.request()", (n) => {
  for (let i = 0; i < n; i++) connections.request(connection, i);
});
perOperation("writer.beat()", (n) => {
  for (let i = 0; i < n; i++) writer.beat(1, i);
});
perOperation("shared int32 add()", (n) => {
  for (let i = 0; i < n; i++) budget.add(1);
});

for (let slot = 1; slot <= 8; slot++) {
  const other = memory.slot(slot).writer({ role: "worker", id: slot, pid: Deno.pid });
  for (let n = 0; n < 200; n++) other.counter("bench_requests_total", { n }).add(n);
  for (let n = 0; n < 96; n++) {
    const one = other.histogram("bench_request_duration_seconds", { n });
    for (let i = 0; i < 50; i++) one.record(0.1 + i * i);
  }
  for (let n = 0; n < 50; n++) other.inflight.begin(0, -1, n, text);
  for (let n = 0; n < 200; n++) other.connections.open(0, "127.0.0.1:50000", false, n);
}
const reads: Array<[string, () => unknown]> = [
  ["readSeries(), 8 slots × 300", () => readSeries(memory)],
  ["renderPrometheus(readSeries())", () => renderPrometheus(readSeries(memory))],
  ["readInflight(), 400 rows", () => readInflight(memory)],
  ["readConnections(), 1600 rows", () => readConnections(memory)],
  ["writer.snapshot()", () => writer.snapshot()],
];
for (const [name, read] of reads) {
  const times: number[] = [];
  for (let round = 0; round < 12; round++) {
    const start = performance.now();
    read();
    if (round >= 5) times.push(performance.now() - start);
  }
  row(name, "ms", times);
}
console.log(`memory taken on disk: ${(Deno.statSync(path).blocks! * 512 / 1024).toFixed(0)} KiB`);
removeStatsFile(path);
Deno.removeSync(folder, { recursive: true });
