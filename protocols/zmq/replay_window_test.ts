import assert from "node:assert/strict";
import fc from "fast-check";
import { ReplayWindow } from "./replay_window.ts";

const nonce = (n: number) => new Uint8Array([n >> 8, n]);

Deno.test("ReplayWindow.take() takes no nonce twice as long as it could be in time", () => {
  const windowMs = 100;
  const steps = fc.array(fc.record({ n: fc.nat(20), ms: fc.nat(60) }), { maxLength: 200 });
  fc.assert(fc.property(steps, (taken) => {
    const window = new ReplayWindow(windowMs, 1000);
    const at = new Map<number, number>();
    let now = 0;
    for (const { n, ms } of taken) {
      now += ms;
      const verdict = window.take(nonce(n), now);
      const before = at.get(n);
      if (before !== undefined && now - before <= 2 * windowMs) assert.equal(verdict, "replayed");
      if (verdict === "good") at.set(n, now);
    }
  }));
});

Deno.test("ReplayWindow.take() refuses more than it may remember, and forgets what is too old anyway", () => {
  const window = new ReplayWindow(100, 3);
  for (const n of [1, 2, 3]) assert.equal(window.take(nonce(n), 0), "good");
  assert.equal(window.take(nonce(4), 10), "full");
  assert.equal(window.take(nonce(4), 200), "full");
  assert.equal(window.take(nonce(4), 399), "full");
  assert.equal(window.take(nonce(4), 400), "good");
  assert.equal(window.size, 1);
});
