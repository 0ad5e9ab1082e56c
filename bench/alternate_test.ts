import assert from "node:assert/strict";
import { alternate } from "./alternate.ts";

Deno.test("alternate() measures everybody in every round and turns the order", async () => {
  const order: string[] = [];
  const contender = (name: string) => ({ name, measure: () => Promise.resolve(order.push(name)) });
  const { figures, failures } = await alternate(
    [contender("a"), contender("b"), contender("c")],
    2,
    () => {},
  );
  assert.equal(order.join(""), "abcbca");
  assert.deepEqual([...figures], [["a", [1, 6]], ["b", [2, 4]], ["c", [3, 5]]]);
  assert.equal(failures.size, 0);
});

Deno.test("alternate() leaves out who fails and says why", async () => {
  let calls = 0;
  const broken = { name: "broken", measure: () => Promise.reject(new Error(`no ${++calls}`)) };
  const { figures, failures } = await alternate(
    [broken, { name: "ok", measure: () => Promise.resolve(1) }],
    3,
    () => {},
  );
  assert.deepEqual([...figures], [["ok", [1, 1, 1]]]);
  assert.deepEqual([...failures], [["broken", "no 1"]]);
});
