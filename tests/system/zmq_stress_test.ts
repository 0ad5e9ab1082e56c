import assert from "node:assert/strict";
import { stress } from "./zmq_stress.ts";
import { findings } from "./zmq_stress_findings.ts";

Deno.test("zmq loses, doubles and misses nothing while peers are killed and restarted, and holds senders back", async () => {
  const figures = await stress({
    count: 200_000,
    restarts: 3,
    rhythm: { fromMs: 150, toMs: 350 },
    slowSeconds: 2.4,
    slowAtOnce: 4,
    samples: 24,
    singles: 4,
  });
  assert.ok(figures.total >= 200_000, `${figures.total} messages`);
  const broken = findings(figures).filter(({ holds }) => !holds);
  assert.deepEqual(broken, []);
});
