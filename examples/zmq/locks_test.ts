import assert from "node:assert/strict";
import answer from "./locks.ts";

const ask = (value: unknown, now: number) => answer({ value }, undefined, now);

Deno.test("answer() gives a lock to one owner at a time, until it is given back or its time is over", () => {
  assert.deepEqual(ask({ lock: "a", owner: "x", ttlMs: 100 }, 0), { granted: true, owner: "x", leftMs: 100 });
  assert.deepEqual(ask({ lock: "a", owner: "y" }, 40), { granted: false, owner: "x", leftMs: 60 });
  assert.deepEqual(ask({ lock: "a", owner: "x", ttlMs: 100 }, 40), {
    granted: true,
    owner: "x",
    leftMs: 100,
  });
  assert.deepEqual(ask({ unlock: "a", owner: "y" }, 40), { released: false });
  assert.deepEqual(ask({ unlock: "a", owner: "x" }, 40), { released: true });
  assert.deepEqual(ask({ lock: "a", owner: "y", ttlMs: 10 }, 50), { granted: true, owner: "y", leftMs: 10 });
  assert.deepEqual(ask({ lock: "a", owner: "x", ttlMs: 10 }, 60), { granted: true, owner: "x", leftMs: 10 });
});

Deno.test("answer() says what is missing", () => {
  assert.deepEqual(ask({ lock: "b" }, 0), { error: "an owner is needed" });
  assert.deepEqual(ask({ owner: "x" }, 0), { error: "a lock is needed" });
  assert.deepEqual(ask({ lock: "b", owner: "x", ttlMs: 1e9 }, 0), { error: "a lock is needed" });
});
