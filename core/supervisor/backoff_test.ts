import assert from "node:assert/strict";
import { backoffMs, failuresAfter } from "./backoff.ts";

Deno.test("backoffMs() doubles from 100 ms to 10 s", () => {
  assert.deepEqual([0, 1, 2, 3, 7, 8, 9, 1000].map(backoffMs), [
    0,
    100,
    200,
    400,
    6400,
    10_000,
    10_000,
    10_000,
  ]);
});

Deno.test("failuresAfter() forgets earlier deaths after 10 s of life", () => {
  assert.equal(failuresAfter(5, 9_999), 6);
  assert.equal(failuresAfter(5, 10_000), 1);
});
