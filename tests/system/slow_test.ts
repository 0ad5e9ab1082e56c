import assert from "node:assert/strict";
import { bestOf } from "./best_of.ts";
import { slow, slowLimits } from "./slow.ts";
import { slowKinds } from "./slow_clients.ts";

for (const mode of ["reusePort", "handOff"]) {
  Deno.test(`slow clients are cut at their own limits, each for its own reason, and others are served (${mode})`, async () => {
    const each = 50;
    await bestOf(3, async () => {
      const { lived, closed, beforeP99, duringP99, failed } = await slow({
        each,
        beforeMs: 1000,
        accept: { mode },
      });
      assert.equal(failed, 0, "a normal client lost a request");
      for (const kind of slowKinds) {
        const { limitMs } = slowLimits[kind];
        assert.equal(lived[kind].length, each);
        // The client's own clock and the machine's other work add to it, never take away.
        for (const ms of lived[kind]) {
          assert.ok(
            ms >= 0.9 * limitMs && ms <= 1.1 * limitMs + 150,
            `${kind}: ${ms} ms, limit ${limitMs} ms`,
          );
        }
      }
      const counted = { head_timeout: 2, first_byte_timeout: 1, body_timeout: 1, idle_timeout: 1 };
      for (const [reason, kinds] of Object.entries(counted)) {
        assert.equal(closed[reason], kinds * each, reason);
      }
      assert.ok(
        duringP99 <= Math.max(25, 2 * beforeP99),
        `p99 ${beforeP99} ms before, ${duringP99} ms during`,
      );
    });
  });
}
