import assert from "node:assert/strict";
import { ExitCounter } from "./exit_counter.ts";
import { exitRecord } from "./testdata/fake_supervisor.ts";

Deno.test("ExitCounter counts an exit once, however often it is listed", () => {
  const counter = new ExitCounter();
  const first = exitRecord({ at: 1 });
  counter.take([first]);
  counter.take([exitRecord({ at: 2, expected: true }), first]);
  assert.deepEqual(counter.counts(), [
    { role: "worker", id: 0, expected: false, count: 1 },
    { role: "worker", id: 0, expected: true, count: 1 },
  ]);
});
