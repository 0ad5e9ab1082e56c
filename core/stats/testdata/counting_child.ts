/** Counts in slot `args[1]` of the file `args[0]` until killed; one byte on stdout acknowledges each finished count. */
import { openStatsFile } from "../mod.ts";

const [path, slot, id] = Deno.args;
const writer = openStatsFile(path!).slot(Number(slot)).writer({ role: "worker", id: id! });
const counter = writer.counter("weir_requests_total", { listener: "api" });
const histogram = writer.histogram("weir_request_duration_seconds");
const gauge = writer.gauge("weir_busy");
const listener = writer.intern("api");
gauge.set(1);
const ack = new Uint8Array(1);
for (let n = 0;; n++) {
  const row = writer.inflight.begin(listener, -1, n, "GET /count");
  counter.add();
  histogram.record(n % 100);
  Deno.stdout.writeSync(ack);
  if (n % 3 !== 0) writer.inflight.end(row);
}
