import assert from "node:assert/strict";
import fc from "fast-check";
import { createStatsFile, localStatsMemory } from "../../core/stats/mod.ts";
import { ShareBudget } from "./share_budget.ts";
import { HandClock } from "./testdata/policy_host.ts";

const shape = { share: 0.2, ttlMs: 10_000, floorPerSecond: 10, workers: 1 };

function budgets(count: number, options = shape) {
  const clock = new HandClock();
  const { shared } = localStatsMemory(1);
  return {
    clock,
    all: Array.from({ length: count }, () => new ShareBudget(clock, shared.block("budget"), options)),
  };
}

Deno.test("ShareBudget never gives more than its share and ten per second, over all workers and any time", () => {
  const step = fc.record({
    worker: fc.nat(2),
    what: fc.constantFrom("call", "call", "calls", "take", "takes", "pass", "pass"),
    n: fc.nat(300),
    ms: fc.oneof(fc.nat(30), fc.nat(400), fc.nat(12_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat(20_000), (steps, startMs) => {
      const { clock, all } = budgets(3);
      clock.ms += startMs;
      const seconds = new Set<number>();
      let calls = 0;
      let taken = 0;
      for (const { worker, what, n, ms } of steps) {
        const budget = all[worker]!;
        for (let i = 0; i < (what.endsWith("s") && what !== "pass" ? n : 1); i++) {
          if (what.startsWith("call")) {
            calls++;
            budget.deposit(clock.ms);
          } else if (what.startsWith("take")) {
            seconds.add(Math.floor(clock.epoch() / 1000));
            if (budget.take(clock.ms)) taken++;
          }
        }
        if (what === "pass") clock.ms += ms;
        assert.ok(taken <= 0.2 * calls + 10 * seconds.size + 1e-6, `${taken} of ${calls}, ${seconds.size} s`);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("ShareBudget gives the whole share while all fails", () => {
  const { clock, all } = budgets(4, { ...shape, floorPerSecond: 0 });
  let calls = 0;
  let taken = 0;
  for (; clock.ms < 125_000; clock.ms += 1) {
    const budget = all[clock.ms % 4]!;
    calls++;
    budget.deposit(clock.ms);
    if (budget.take(clock.ms)) taken++;
  }
  assert.ok(taken > 0.197 * calls && taken <= 0.2 * calls, `${taken} of ${calls}`);
});

Deno.test("ShareBudget.take() gives ten in each second to an upstream that is hardly called", () => {
  const { clock, all: [budget] } = budgets(1);
  for (let second = 0; second < 5; second++, clock.ms += 1000) {
    let taken = 0;
    while (budget!.take(clock.ms)) taken++;
    assert.equal(taken, 10);
  }
});

Deno.test("ShareBudget forgets calls after ten seconds, and not much before", () => {
  const { clock, all: [budget] } = budgets(1, { ...shape, floorPerSecond: 0 });
  for (let i = 0; i < 100; i++) budget!.deposit(clock.ms);
  assert.equal(budget!.left(clock.ms), 20);
  clock.ms += 8000;
  assert.equal(budget!.left(clock.ms), 20);
  clock.ms += 2000;
  assert.equal(budget!.left(clock.ms), 0);
  assert.equal(budget!.take(clock.ms), false);
});

Deno.test("ShareBudget counts seldom calls too, and not those it has held for long", () => {
  const { clock, all: [budget] } = budgets(1, { ...shape, floorPerSecond: 0 });
  for (let i = 0; i < 5; i++, clock.ms += 1500) budget!.deposit(clock.ms);
  assert.equal(budget!.left(clock.ms), 1);
  clock.ms += 20_000;
  budget!.deposit(clock.ms);
  for (let i = 0; i < 40; i++) budget!.deposit(clock.ms);
  clock.ms += 60_000;
  assert.equal(budget!.left(clock.ms), 0, "the 40 are a minute old");
});

Deno.test("ShareBudget.left() is what can be taken", () => {
  const { clock, all } = budgets(2);
  for (let i = 0; i < 93; i++) all[0]!.deposit(clock.ms);
  // What one worker holds back is not known to the other before it asks.
  const left = all[0]!.left(clock.ms);
  assert.equal(left, 28);
  let taken = 0;
  while (all[1]!.take(clock.ms)) taken++;
  assert.equal(taken, left);
  assert.equal(all[0]!.left(clock.ms), 0);
});

Deno.test("ShareBudget divides what is free among workers that do not share their numbers", () => {
  const clock = new HandClock();
  const all = Array.from(
    { length: 16 },
    () => new ShareBudget(clock, localStatsMemory(1).shared.block("own"), { ...shape, workers: 16 }),
  );
  let taken = 0;
  for (let second = 0; second < 16; second++, clock.ms += 1000) {
    for (const budget of all) while (budget.take(clock.ms)) taken++;
  }
  assert.equal(taken, 160);
});

Deno.test("ShareBudget goes on when the clock is set back", () => {
  const { clock, all: [budget] } = budgets(1);
  while (budget!.take(clock.ms));
  clock.base -= 3_600_000;
  clock.ms += 100;
  for (let i = 0; i < 100; i++) budget!.deposit(clock.ms);
  assert.equal(budget!.left(clock.ms), 30);
});

Deno.test("ShareBudget.take() of several processes at once gives ten in each second, not one more", async () => {
  const folder = Deno.makeTempDirSync();
  createStatsFile(`${folder}/stats`, { slots: 1 });
  const script = new URL("testdata/asking_child.ts", import.meta.url).href;
  // They wait for each other: by then all have started. 100 s of a clock that runs a hundred times as fast.
  const from = Math.ceil((Date.now() + 1500) / 1000) * 1000;
  const args = ["run", "-A", "--no-check", script, `${folder}/stats`, `${from}`, `${from + 100_000}`];
  const outputs = await Promise.all(
    Array.from({ length: 4 }, () => new Deno.Command(Deno.execPath(), { args }).output()),
  );
  const got = outputs.map(({ stdout }) => Number(new TextDecoder().decode(stdout)));
  const sum = got.reduce((all, one) => all + one, 0);
  // Who lost his core before his last asking comes into a later second. Seconds in which all lost theirs are missing.
  assert.ok(sum >= 500 && sum <= 1010, `${got}`);
  assert.ok(got.filter((one) => one > 0).length > 1, `${got}: one had it all`);
  Deno.removeSync(folder, { recursive: true });
});
