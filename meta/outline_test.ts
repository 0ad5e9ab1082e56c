import assert from "node:assert/strict";
import { outline } from "./outline.ts";

Deno.test("outline() shows plain data the way a manifest looks", () => {
  const data = {
    name: "api",
    on: "true",
    port: "127.0.0.1",
    list: [{ a: 1, b: [] }, "x"],
    none: null,
    empty: {},
  };
  assert.equal(
    outline(data),
    'name: api\non: "true"\nport: "127.0.0.1"\nlist:\n  - a: 1\n    b: []\n  - x\nnone: null\nempty: {}',
  );
});
