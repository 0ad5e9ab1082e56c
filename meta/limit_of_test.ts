import assert from "node:assert/strict";
import { limitOf } from "./limit_of.ts";

Deno.test("limitOf() takes whole numbers within bounds only", () => {
  const of = (text: string) => limitOf(new URLSearchParams(text), 7);
  assert.deepEqual(["", "limit=", "limit=1", "limit=10000"].map(of), [7, 7, 1, 10_000]);
  for (const wrong of ["0", "10001", "-1", "1.5", "x", "1e3"]) assert.equal(of(`limit=${wrong}`), null);
});
