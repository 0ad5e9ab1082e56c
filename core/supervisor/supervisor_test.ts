import assert from "node:assert/strict";
import { Booted, planOf } from "./testdata/boot.ts";

Deno.test("Supervisor starts workers one after the other, then the governor, and drains on SIGTERM", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }, { meta: { listen: "127.0.0.1:0" } }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const boots = booted.text.match(/fake \w+ \d boots|"(?:worker|governor) \d is ready"/g);
  assert.deepEqual(boots, [
    "fake worker 1 boots",
    '"worker 1 is ready"',
    "fake worker 2 boots",
    '"worker 2 is ready"',
    "fake governor 1 boots",
    '"governor 1 is ready"',
  ]);
  assert.match(await booted.ask("/"), /^[12] \d+ 1$/);
  const slots = booted.status.children.map(({ slot }) => slot);
  assert.equal(new Set(slots).size, 3);
  supervisor.signal("SIGTERM");
  assert.deepEqual(await supervisor.ended, { code: 0, message: "" });
  const order = booted.text.match(/"\w+ \d drains"|"\w+ \d is gone"/g)!;
  assert.deepEqual(order.slice(-2), ['"governor 1 drains"', '"governor 1 is gone"']);
  assert.equal(order.filter((line) => line.includes("worker")).length, 4);
});
