/** Sends 5000 records to the standard output. */
import { spoolSinks } from "../spool_sinks.ts";
import { keptLog, streamPlan } from "./shipping.ts";

const make = await spoolSinks.stdout();
const sink = make({ name: "s", plan: streamPlan("/nowhere"), timeoutMs: 1000, log: keptLog([]) });
for (let first = 1; first <= 5000; first += 1000) {
  await sink.send(Array.from({ length: 1000 }, (_, n) => ({
    lane: "worker1-2-3",
    sequence: first + n,
    timestamp: 0,
    key: null,
    headers: {},
    value: new TextEncoder().encode(`{"n":${first + n}}`),
  })));
}
await sink.close();
