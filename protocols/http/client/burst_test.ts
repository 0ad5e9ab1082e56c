import assert from "node:assert/strict";
import { Burst } from "./burst.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("Burst.holds() lets the first few go, and the others leave together, in order", async () => {
  const burst = new Burst();
  const left: number[] = [];
  const held = Array.from({ length: 8 }, (_, i) => burst.holds({ leave: () => left.push(i) }, 100 + i / 100));
  assert.deepEqual(held, [false, false, false, false, true, true, true, true]);
  assert.deepEqual(left, []);
  await turn();
  assert.deepEqual(left, [4, 5, 6, 7]);
});

Deno.test("Burst.holds() nobody where requests are apart", () => {
  const burst = new Burst();
  for (let now = 0; now < 10; now += 0.05) {
    assert.equal(burst.holds({ leave: () => assert.fail() }, now), false);
  }
});

Deno.test("Burst.holds() who begins while others leave until the next turn", async () => {
  const burst = new Burst();
  const left: string[] = [];
  for (let i = 0; i < 4; i++) burst.holds({ leave: () => assert.fail() }, 1);
  const again = { leave: () => left.push("again") };
  const first = {
    leave() {
      left.push("first");
      assert.equal(burst.holds(again, 1), true);
    },
  };
  burst.holds(first, 1);
  await turn();
  assert.deepEqual(left, ["first"]);
  await turn();
  assert.deepEqual(left, ["first", "again"]);
});
