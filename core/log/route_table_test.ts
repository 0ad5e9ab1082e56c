import assert from "node:assert/strict";
import { errorLevel, infoLevel } from "./log_level.ts";
import { RouteTable } from "./route_table.ts";
import { FakeClock } from "./testdata/fake_clock.ts";

const plan = {
  level: "info",
  routes: [
    { match: "access.*", level: "trace", to: ["access"], only: true },
    { match: "noise.**", level: "trace", to: ["null"], only: true },
    { match: "pools.*", level: "warning", to: ["console", "pools"], only: false },
    { match: "**", level: "error", to: ["errors", "central"], only: false },
  ],
};

Deno.test("RouteTable.sinks() gives every matching route up to `only`, and the console where none matches", () => {
  const table = new RouteTable(plan, new FakeClock());
  assert.deepEqual(table.sinks("access.api", errorLevel), ["access"]);
  assert.deepEqual(table.sinks("noise.x", errorLevel), []);
  assert.deepEqual(table.sinks("pools.crypto", errorLevel), ["console", "pools", "errors", "central"]);
  assert.deepEqual(table.sinks("pools.crypto", infoLevel), ["console"]);
  assert.deepEqual(table.sinks("worker", infoLevel), ["console"]);
  assert.deepEqual(table.sinks("worker", infoLevel - 1), []);
});

Deno.test("RouteTable.setLevel() holds for its time to live and goes back to what was below it", async () => {
  const clock = new FakeClock();
  const table = new RouteTable(plan, clock);
  let changes = 0;
  table.onChange = () => changes++;
  table.setLevel("listeners.*", "debug", 5000);
  table.setLevel("**", "error", 0);
  table.setLevel("listeners.api", "trace", 1000);
  assert.equal(table.threshold("listeners.api"), 0);
  assert.equal(table.threshold("listeners.rpc"), errorLevel);
  await clock.pass(999);
  assert.equal(table.threshold("listeners.api"), 0);
  await clock.pass(1);
  assert.equal(table.threshold("listeners.api"), errorLevel);
  table.setLevel("**", "warn", 1000);
  assert.equal(table.threshold("worker"), 3);
  await clock.pass(1000);
  assert.equal(table.threshold("worker"), errorLevel);
  table.setLevel("**", "info");
  assert.deepEqual(table.overrides.map(({ glob }) => glob), ["**", "listeners.*"]);
  await clock.pass(5000);
  assert.deepEqual(table.overrides, [{ glob: "**", level: infoLevel }]);
  assert.equal(clock.waiting, 0);
  assert.equal(changes, table.version);
});

Deno.test("RouteTable.setLevel() refuses unknown levels and too many globs", () => {
  const table = new RouteTable(plan, new FakeClock());
  assert.throws(() => table.setLevel("**", "loud"), /"loud": it is none of trace, debug/);
  for (let i = 0; i < 64; i++) table.setLevel(`a${i}`, "debug");
  assert.throws(() => table.setLevel("b", "debug"), /64 levels are set already/);
  table.setLevel("a5", "error");
  assert.equal(table.threshold("a5"), errorLevel);
});
