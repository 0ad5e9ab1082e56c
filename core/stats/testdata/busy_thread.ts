/** Writes rows whose text and mark repeat their number, in the slot it is told, until the shared number "stop" is 1. */
import { openThreadView, type StatsThreadView } from "../mod.ts";

const { view, slot } = await new Promise<{ view: StatsThreadView; slot: number }>((told) => {
  globalThis.addEventListener("message", (event) => told((event as MessageEvent).data), { once: true });
});
const memory = openThreadView(view);
const stop = memory.shared.int32("stop");
const writer = memory.slot(slot).writer({ role: "thread", id: 1 });
const table = writer.inflight;
const counter = writer.counter("weir_turns_total");
for (let n = 1; stop.load() === 0; n++) {
  const row = table.begin(0, n, n, `text ${n} ${"x".repeat(n % 40)}`);
  table.mark(row, `mark ${n}`, n);
  counter.add();
  const peer = writer.connections.open(0, `peer ${n}`, n % 2 === 0, n);
  writer.connections.close(peer);
  table.end(row);
}
stop.store(2);
