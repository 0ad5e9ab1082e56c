import assert from "node:assert/strict";
import { maxLoops } from "./layout.ts";
import { localStatsMemory, type LoopFigures, readLoops } from "./mod.ts";

const calm: LoopFigures = {
  state: "waiting",
  failures: 0,
  runs: 3,
  errors: 0,
  startedAt: 1000,
  durationMs: 12.5,
  nextAt: 2000,
  error: "",
  errorAt: 0,
};
const bad: LoopFigures = {
  state: "backingOff",
  failures: 2,
  runs: 5,
  errors: 2,
  startedAt: 3000,
  durationMs: 1,
  nextAt: 7000,
  error: "Error: no",
  errorAt: 3001,
};

Deno.test("set() shows a loop, and what changed of it", () => {
  const memory = localStatsMemory(2);
  const { loops } = memory.slot(1).writer({ role: "worker", id: 2 });
  loops.set("beat", calm);
  const where = { slot: 1, worker: "2", loop: "beat" };
  assert.deepEqual(readLoops(memory), { total: 1, rows: [{ ...where, ...calm }] });
  loops.set("beat", bad);
  loops.set("again", calm);
  assert.deepEqual(readLoops(memory).rows, [{ ...where, loop: "again", ...calm }, { ...where, ...bad }]);
});

Deno.test("set() cuts long errors, and tells nothing of loops past the last row", () => {
  const memory = localStatsMemory(1);
  const { loops } = memory.slot(0).writer({ role: "worker", id: 1 });
  for (let n = 0; n <= maxLoops; n++) loops.set(`l${n}`, { ...bad, error: "é".repeat(999) });
  const { total, rows } = readLoops(memory);
  assert.equal(total, maxLoops);
  for (const row of rows) assert.match(row.error, /^é{128}$/);
  assert.ok(!rows.some(({ loop }) => loop === `l${maxLoops}`));
});

Deno.test("the table of loops is empty after close(), and for the next writer of a slot", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1, pid: 2 ** 22 + 1 });
  writer.loops.set("old", bad);
  const next = memory.slot(0).writer({ role: "worker", id: 1 });
  assert.equal(readLoops(memory).total, 0);
  next.loops.set("new", calm);
  assert.deepEqual(readLoops(memory).rows.map(({ loop, error }) => [loop, error]), [["new", ""]]);
  next.close();
  assert.equal(readLoops(memory).total, 0);
});
