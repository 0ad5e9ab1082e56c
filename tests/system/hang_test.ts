import assert from "node:assert/strict";
import { hang } from "./hang.ts";
import { bestOf } from "./best_of.ts";

Deno.test("a worker that hangs is replaced, with its TypeScript stack and its requests in one log line", async () => {
  const source = (await Deno.readTextFile(new URL("./testdata/handlers.ts", import.meta.url))).split("\n");
  const line = source.findIndex((text) => text.includes("while (work.forEver)")) + 1;
  await bestOf(3, async () => {
    const figures = await hang({ hangMs: 1000, clients: 8, beforeMs: 1000 });
    assert.match(figures.stack[0]!, new RegExp(`^spin \\(file:.*/testdata/handlers\\.ts:${line}:\\d+\\)$`));
    assert.match(figures.stack[1]!, /^serve \(file:.*\/testdata\/handlers\.ts:\d+:\d+\)$/);
    assert.match(figures.inflight.join(), /^api: GET \/spin for \d+ ms$/);
    assert.equal(figures.failed, 0, "requests to the healthy worker failed");
    assert.ok(figures.loggedMs <= figures.hangMs + 500, `logged after ${figures.loggedMs} ms`);
    assert.ok(figures.replacedMs <= 3000, `replaced after ${figures.replacedMs} ms`);
    // One core of two is gone, so some of the requests wait for a turn; they must not wait for the hung worker.
    const limit = Math.max(20, 3 * figures.beforeP99);
    assert.ok(
      Math.max(figures.duringP99, figures.replacingP99) <= limit,
      `p99 ${figures.beforeP99} ms before, ${figures.duringP99} ms during, ${figures.replacingP99} ms at the end`,
    );
  });
});
