/** A thread that writes the row of one stream as fast as it can for half a second, and then says how often. */
import type { StreamFigures } from "../../stream/contract.ts";
import { openThreadView, type StatsThreadView } from "../mod.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<StatsThreadView>) => void;
  postMessage(message: number): void;
};

scope.onmessage = ({ data }) => {
  const { streams } = openThreadView(data).slot(0).writer({ role: "shipper", id: 1 });
  const figures: StreamFigures = {
    state: "sending",
    sent: 0,
    acked: 0,
    failed: 0,
    dropped: 0,
    queued: 0,
    queuedBytes: 0,
    oldestAt: 0,
    inflight: 0,
    retries: 0,
    lanes: 1,
    damagedBytes: 0,
    ackedAt: 0,
    at: 0,
    error: "",
    errorAt: 0,
  };
  const end = performance.now() + 500;
  let n = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 100; i++) {
      n++;
      figures.sent = 10 * n;
      figures.acked = 4 * n;
      figures.failed = 3 * n;
      figures.dropped = 2 * n;
      figures.queued = n;
      figures.at = n;
      figures.error = `error ${n}`;
      streams.set("decisions", figures);
    }
  }
  scope.postMessage(n);
};
