import assert from "node:assert/strict";
import { compile } from "../core/manifest/mod.ts";
import { localStatsMemory } from "../core/stats/mod.ts";
import { Observer } from "./observer.ts";

const deadPid = 2 ** 22 + 1;

Deno.test("Observer shows no requests and connections of processes that were killed", () => {
  const listeners = { web: { protocol: "http", listen: "127.0.0.1:0", handler: "./web.ts" } };
  const { plan } = compile({ service: "observed", listeners }, { stat: () => "file" });
  const memory = localStatsMemory(2);
  for (const [slot, pid] of [Deno.pid, deadPid].entries()) {
    const writer = memory.slot(slot).writer({ role: "worker", id: slot, pid });
    const row = writer.connections.open(writer.intern("web"), "10.0.0.1", false, 1);
    writer.inflight.begin(writer.intern("web"), row, 1, `GET /${slot}`);
  }
  const never = () => Promise.reject(new Error("not asked"));
  const observer = new Observer({
    plan: plan!,
    memory,
    startedAt: 1,
    capture: never,
    logs: never,
    command: never,
  });
  const sight = observer.look(2);
  assert.deepEqual(sight.inflight(10).rows.map(({ text }) => text), ["GET /0"]);
  assert.equal(sight.inflight(10).total, 1);
  assert.deepEqual(sight.connections(10).rows.map(({ worker }) => worker), ["0"]);
});
