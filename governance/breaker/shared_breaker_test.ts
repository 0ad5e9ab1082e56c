import assert from "node:assert/strict";
import fc from "fast-check";
import { localStatsMemory } from "../../core/stats/mod.ts";
import { type Breaker, Pass, type PassValue } from "../../core/upstream/contract.ts";
import { HandClock, testHost } from "../retry/testdata/policy_host.ts";
import { makeBreakers } from "./mod.ts";

const plan = { window: 10_000, minimum: 20, failures: 0.5, open: 5000, probes: 3, per: "upstream" };
/** Times in a breaker's word are this coarse. */
const unitMs = Math.ceil(plan.open / 256);

/** `workers` hosts with the same numbers and the same clock. */
function breakersOf(changes: Partial<typeof plan> = {}, workers = 1) {
  const clock = new HandClock();
  const { shared } = localStatsMemory(1);
  const hosts = Array.from(
    { length: workers },
    () => testHost({ breaker: { ...plan, ...changes } }, { clock, shared }),
  );
  const breakers = hosts.map((host) => makeBreakers(host)!.of("users"));
  return { clock, hosts, breakers, host: hosts[0]!, breaker: breakers[0]! };
}

function call(breaker: Breaker, clock: HandClock, ok: boolean, counts = true): PassValue {
  const pass = breaker.enter(clock.ms);
  breaker.leave(pass, ok, counts, clock.ms);
  return pass;
}

function calls(breaker: Breaker, clock: HandClock, count: number, ok: boolean): void {
  for (let i = 0; i < count; i++) call(breaker, clock, ok);
}

const stateOf = (breaker: Breaker, clock: HandClock) => breaker.state(clock.ms).state;

/** Open, and its time is over. */
function openAndWait(breaker: Breaker, clock: HandClock): void {
  calls(breaker, clock, plan.minimum, false);
  assert.equal(stateOf(breaker, clock), "open");
  clock.ms = breaker.state(clock.ms).until;
}

Deno.test("a breaker opens with the call that makes the minimum, at the share of failures exactly", () => {
  const { breaker, clock, host } = breakersOf();
  for (let i = 0; i < 19; i++) call(breaker, clock, i % 2 === 0);
  assert.equal(stateOf(breaker, clock), "closed");
  call(breaker, clock, false);
  assert.equal(stateOf(breaker, clock), "open");
  assert.equal(call(breaker, clock, true), Pass.no);
  assert.equal(host.value("weir_upstream_breaker_refused_total", { breaker: "users" }), 1);
  assert.equal(breaker.state(clock.ms).reason, "10 of 20 calls failed");
});

Deno.test("a breaker opens also when the call that makes the minimum is a good one, and not below the share", () => {
  const { breaker, clock } = breakersOf();
  calls(breaker, clock, 19, false);
  call(breaker, clock, true);
  assert.equal(stateOf(breaker, clock), "open");
  const other = breakersOf();
  for (let i = 0; i < 200; i++) call(other.breaker, other.clock, i % 100 < 51);
  assert.equal(stateOf(other.breaker, other.clock), "closed");
});

Deno.test("a breaker in closed state does what a list of all calls would do", () => {
  const step = fc.record({ ok: fc.boolean(), counts: fc.boolean(), worker: fc.nat(2), ms: fc.nat(900) });
  const shape = fc.record({
    window: fc.constantFrom(1000, 10_000),
    minimum: fc.integer({ min: 1, max: 12 }),
    failures: fc.constantFrom(0.1, 0.3, 0.5, 2 / 3, 1),
  });
  fc.assert(fc.property(shape, fc.array(step, { maxLength: 60 }), (shape, steps) => {
    const { clock, breakers } = breakersOf(shape, 3);
    const seen: { slot: number; ok: boolean }[] = [];
    for (const { ok, counts, worker, ms } of steps) {
      clock.ms += ms;
      const breaker = breakers[worker]!;
      assert.equal(breaker.enter(clock.ms), Pass.yes);
      breaker.leave(Pass.yes, ok, counts, clock.ms);
      const slot = Math.floor(clock.epoch() / (shape.window / 10));
      if (counts) seen.push({ slot, ok });
      const inWindow = seen.filter((one) => one.slot > slot - 10);
      const failed = inWindow.filter((one) => !one.ok).length;
      const { calls, failures } = breaker.state(clock.ms);
      assert.deepEqual([calls, failures], [inWindow.length, failed]);
      const opens = counts && failed > 0 && inWindow.length >= shape.minimum &&
        failed >= inWindow.length * shape.failures - 1e-9;
      assert.equal(stateOf(breaker, clock), opens ? "open" : "closed");
      if (opens) break;
    }
  }));
});

Deno.test("a breaker opens on failures on both sides of any edge of its window", () => {
  for (let offsetMs = 0; offsetMs < 2000; offsetMs += 50) {
    const { breaker, clock } = breakersOf();
    clock.ms += offsetMs;
    // Ten each, just before and just after where a window that starts afresh would have forgotten.
    calls(breaker, clock, 10, false);
    clock.ms += 8900;
    calls(breaker, clock, 10, false);
    assert.equal(stateOf(breaker, clock), "open", `at ${offsetMs} ms`);
  }
});

Deno.test("a breaker forgets what is older than its window", () => {
  const { breaker, clock } = breakersOf();
  calls(breaker, clock, 19, false);
  clock.ms += 10_000;
  calls(breaker, clock, 19, false);
  assert.equal(stateOf(breaker, clock), "closed");
});

Deno.test("a breaker adds up failures of every kind", () => {
  // 45 % that time out and 45 % that fail are 90 % failures: they come as one kind of end.
  const { breaker, clock } = breakersOf({ failures: 0.9 });
  const ends = [..."TTTTTTTTTEEEEEEEEEOO"];
  for (const end of ends) call(breaker, clock, end === "O");
  assert.equal(stateOf(breaker, clock), "open");
});

Deno.test("a breaker counts neither what says nothing of the upstream nor what it refused", () => {
  const { breaker, clock } = breakersOf();
  for (let i = 0; i < 100; i++) call(breaker, clock, false, false);
  assert.deepEqual(breaker.state(clock.ms).calls, 0);
  calls(breaker, clock, 20, false);
  for (let i = 0; i < 100; i++) assert.equal(call(breaker, clock, true), Pass.no);
  assert.deepEqual([breaker.state(clock.ms).calls, breaker.state(clock.ms).failures], [20, 20]);
});

Deno.test("a breaker half-opens at the declared time, and at most a tenth later", () => {
  for (const lot of [0, 0.3, 0.999]) {
    const { breaker, clock } = breakersOf();
    clock.lots = [lot];
    const openedAt = clock.ms;
    calls(breaker, clock, 20, false);
    const { until } = breaker.state(clock.ms);
    const wantedMs = plan.open * (1 + lot / 10);
    assert.ok(until - openedAt >= wantedMs && until - openedAt <= wantedMs + unitMs, `${until - openedAt}`);
    // Who asks all the time does not put it off.
    for (; clock.ms < until; clock.ms += 1) assert.equal(breaker.enter(clock.ms), Pass.no);
    clock.ms = until;
    assert.equal(breaker.enter(clock.ms), Pass.probe);
  }
});

Deno.test("two breakers that open together do not probe together", () => {
  const clock = new HandClock();
  clock.lots = [0.1, 0.9];
  const host = testHost({ breaker: { ...plan, per: "method" } }, { clock });
  const set = makeBreakers(host)!;
  const [one, two] = [set.of("GET"), set.of("POST")];
  calls(one, clock, 20, false);
  calls(two, clock, 20, false);
  const [first, second] = [one.state(clock.ms).until, two.state(clock.ms).until];
  assert.ok(second - first >= plan.open * 0.08 - unitMs, `${first} and ${second}`);
});

Deno.test("a half-open breaker lets exactly its probes through, whoever asks, and none of the refused locks it again", () => {
  const { breakers, clock } = breakersOf({}, 4);
  openAndWait(breakers[0]!, clock);
  const passes = Array.from({ length: 50 }, (_, i) => breakers[i % 4]!.enter(clock.ms));
  assert.equal(passes.filter((pass) => pass === Pass.probe).length, 3);
  assert.equal(passes.filter((pass) => pass === Pass.no).length, 47);
  for (const breaker of breakers) assert.equal(stateOf(breaker, clock), "halfOpen");
  passes.forEach((pass, i) => breakers[i % 4]!.leave(pass, true, true, clock.ms));
  for (const breaker of breakers) assert.equal(stateOf(breaker, clock), "ramp");
});

Deno.test("a probe that fails or times out opens the breaker again, each time for as long as declared", () => {
  const { breaker, clock } = breakersOf();
  clock.lots = [];
  openAndWait(breaker, clock);
  for (let n = 0; n < 5; n++) {
    const other = breaker.enter(clock.ms);
    assert.equal(breaker.enter(clock.ms), Pass.probe);
    breaker.leave(Pass.probe, false, true, clock.ms);
    const { state, until, reason } = breaker.state(clock.ms);
    assert.deepEqual([state, reason], ["open", "a probe failed"]);
    const forMs = until - clock.ms;
    assert.ok(forMs >= plan.open && forMs <= plan.open * 1.1 + unitMs, String(forMs));
    // The other probe ends when it is open already.
    breaker.leave(other, true, true, clock.ms);
    assert.equal(stateOf(breaker, clock), "open");
    clock.ms = until;
  }
});

Deno.test("a probe that says nothing gives its place back", () => {
  const { breaker, clock } = breakersOf({ probes: 1 });
  openAndWait(breaker, clock);
  for (let i = 0; i < 10; i++) {
    assert.equal(breaker.enter(clock.ms), Pass.probe);
    assert.equal(breaker.enter(clock.ms), Pass.no);
    breaker.leave(Pass.probe, false, false, clock.ms);
  }
  assert.equal(stateOf(breaker, clock), "halfOpen");
});

Deno.test("a half-open breaker gives new probes when the end of the old ones is never told", () => {
  const { breakers: [gone, breaker], clock } = breakersOf({}, 2);
  openAndWait(gone!, clock);
  for (let i = 0; i < 3; i++) assert.equal(gone!.enter(clock.ms), Pass.probe);
  const since = clock.ms;
  while (breaker!.enter(clock.ms) === Pass.no) clock.ms += 10;
  const waitedMs = clock.ms - since;
  assert.ok(waitedMs >= 3000 && waitedMs <= 4000, `${waitedMs}`);
  assert.deepEqual([1, 2, 3].map(() => breaker!.enter(clock.ms)), [Pass.probe, Pass.probe, Pass.no]);
  for (let i = 0; i < 3; i++) breaker!.leave(Pass.probe, true, true, clock.ms);
  assert.equal(stateOf(breaker!, clock), "ramp");
});

/** In its ramp, which has just begun. */
function ramp(changes: Partial<typeof plan> = {}) {
  const made = breakersOf(changes);
  openAndWait(made.breaker, made.clock);
  for (let i = 0; i < plan.probes; i++) assert.equal(call(made.breaker, made.clock, true), Pass.probe);
  assert.equal(stateOf(made.breaker, made.clock), "ramp");
  return made;
}

Deno.test("the ramp lets a growing share through, from probes/minimum to all, then the breaker is closed and clean", () => {
  const { breaker, clock, host } = ramp();
  const shares: number[] = [];
  const began = clock.ms;
  const most = 4000;
  for (const part of [0, 0.25, 0.5, 0.75]) {
    clock.ms = began + part * plan.open;
    let passed = 0;
    for (let i = 0; i < most; i++) {
      clock.lots = [i / most];
      if (call(breaker, clock, true) === Pass.yes) passed++;
    }
    shares.push(passed / most);
    assert.ok(Math.abs(breaker.state(clock.ms).share - passed / most) < 0.001);
  }
  [0.15, 0.3625, 0.575, 0.7875].forEach((share, i) => {
    assert.ok(Math.abs(shares[i]! - share) < 0.01, `${shares}`);
  });
  clock.ms = began + plan.open + unitMs;
  assert.equal(breaker.enter(clock.ms), Pass.yes);
  assert.deepEqual(breaker.state(clock.ms), {
    state: "closed",
    until: 0,
    share: 1,
    calls: 0,
    failures: 0,
    reason: "",
  });
  const changes = host.lines.map(({ message }) => message);
  assert.deepEqual(changes, [
    "breaker is open",
    "breaker is halfOpen",
    "breaker is ramp",
    "breaker is closed",
  ]);
  for (const to of ["open", "halfOpen", "ramp", "closed"]) {
    assert.equal(host.value("weir_upstream_breaker_transitions_total", { breaker: "users", to }), 1);
  }
});

/** Enters until it is let through; the end is told. */
function through(breaker: Breaker, clock: HandClock, ok: boolean): void {
  clock.lots = [0];
  assert.equal(call(breaker, clock, ok), Pass.yes);
}

Deno.test("one failure at the beginning of the ramp opens the breaker again", () => {
  const { breaker, clock } = ramp();
  for (let i = 0; i < 5; i++) through(breaker, clock, true);
  through(breaker, clock, false);
  const { state, until } = breaker.state(clock.ms);
  assert.equal(state, "open");
  assert.ok(until - clock.ms >= plan.open);
});

Deno.test("few failures among many good calls do not end the ramp, the share of failures does", () => {
  const few = ramp();
  for (let i = 0; i < 400; i++) through(few.breaker, few.clock, i < 30 || i % 10 > 0);
  assert.equal(stateOf(few.breaker, few.clock), "ramp");
  const late = ramp();
  late.clock.ms += plan.open / 2;
  // Half of the minimum is asked for in the middle of the ramp.
  for (let i = 0; i < 4; i++) through(late.breaker, late.clock, true);
  for (let i = 0; i < 5; i++) through(late.breaker, late.clock, false);
  assert.equal(stateOf(late.breaker, late.clock), "ramp");
  through(late.breaker, late.clock, false);
  assert.equal(stateOf(late.breaker, late.clock), "open");
});

Deno.test("a breaker that was closed in between begins with the declared time again", () => {
  const { breaker, clock } = ramp();
  clock.ms += plan.open * 1.1;
  call(breaker, clock, true);
  assert.equal(stateOf(breaker, clock), "closed");
  calls(breaker, clock, 20, false);
  const { state, until } = breaker.state(clock.ms);
  assert.equal(state, "open");
  assert.ok(until - clock.ms <= plan.open * 1.1 + unitMs);
});

Deno.test("force() holds whatever happens, is seen by all workers, and is told once", () => {
  const { breakers: [one, two], clock, hosts } = breakersOf({}, 2);
  one!.force("open", "deploying users");
  one!.force("open", "still deploying users");
  assert.equal(two!.enter(clock.ms), Pass.no);
  assert.deepEqual([one!.state(clock.ms).state, one!.state(clock.ms).reason], [
    "forcedOpen",
    "still deploying users",
  ]);
  assert.deepEqual([two!.state(clock.ms).state, two!.state(clock.ms).reason], ["forcedOpen", ""]);
  assert.equal(hosts[1]!.value("weir_upstream_breaker", { breaker: "users" }), 4);
  clock.ms += 1e6;
  assert.equal(two!.enter(clock.ms), Pass.no);
  two!.force("closed", "let it through");
  calls(one!, clock, 100, false);
  assert.deepEqual([one!.state(clock.ms).state, one!.state(clock.ms).share], ["forcedClosed", 1]);
  two!.force("auto", "over");
  assert.deepEqual([one!.state(clock.ms).state, one!.state(clock.ms).calls], ["closed", 0]);
  assert.deepEqual(hosts.map(({ lines }) => lines.length), [1, 2]);
  assert.equal(hosts[1]!.value("weir_upstream_breaker", { breaker: "users" }), 0);
});

Deno.test("force('auto') lets probes go first where the breaker was kept open, and nothing where it was not", () => {
  const { breaker, clock } = breakersOf();
  breaker.force("auto", "nobody had forced it");
  assert.equal(stateOf(breaker, clock), "closed");
  breaker.force("open", "deploying");
  breaker.force("auto", "deployed");
  assert.deepEqual([1, 2, 3, 4].map(() => breaker.enter(clock.ms)), [
    Pass.probe,
    Pass.probe,
    Pass.probe,
    Pass.no,
  ]);
});

Deno.test("a change that one worker makes is counted once and shown by all", () => {
  const { breakers, hosts, clock } = breakersOf({}, 4);
  for (let i = 0; i < 40; i++) call(breakers[i % 4]!, clock, false);
  const labels = { breaker: "users" };
  for (const { clock: at } of hosts) for (const one of breakers) assert.equal(stateOf(one, at), "open");
  assert.deepEqual(hosts.map((host) => host.value("weir_upstream_breaker", labels)), [1, 1, 1, 1]);
  const told = hosts.flatMap(({ lines }) => lines);
  assert.equal(told.length, 1);
  assert.deepEqual([told[0]!.level, told[0]!.fields.from, told[0]!.fields.reason], [
    "warn",
    "closed",
    "20 of 20 calls failed",
  ]);
});

Deno.test("a breaker is never stuck and never lets through more probes than it may, whatever happens", () => {
  const step = fc.record({
    worker: fc.nat(2),
    what: fc.constantFrom(
      "enter",
      "enter",
      "enter",
      "good",
      "good",
      "bad",
      "gone",
      "silent",
      "pass",
      "far",
      "back",
    ),
    which: fc.nat(50),
    ms: fc.nat(3000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { clock, breakers } = breakersOf({ minimum: 3 }, 3);
      clock.random = () => Math.random();
      const open: { pass: PassValue; worker: number }[] = [];
      for (const { worker, what, which, ms } of steps) {
        if (what === "enter") {
          const before = breakers[worker]!.state(clock.ms);
          const pass = breakers[worker]!.enter(clock.ms);
          if (before.state === "open") assert.equal(pass, Pass.no);
          if (before.state === "closed") assert.equal(pass, Pass.yes);
          if (before.state === "halfOpen") assert.notEqual(pass, Pass.yes);
          if (pass !== Pass.no) open.push({ pass, worker });
        } else if (what === "pass") clock.ms += ms;
        else if (what === "far") clock.ms += ms * 100;
        else if (what === "back") clock.base -= ms * 10;
        else {
          const [one] = open.splice(which % Math.max(1, open.length), 1);
          if (one && what !== "gone") {
            breakers[one.worker]!.leave(one.pass, what === "good", what !== "silent", clock.ms);
          }
        }
        assert.deepEqual(...breakers.slice(1).map((one) => one.state(clock.ms).state) as [string, string]);
      }
      // The upstream is well: after a while everything goes through again.
      for (let n = 0; n < 4000; n++, clock.ms += 50) call(breakers[n % 3]!, clock, true);
      assert.equal(stateOf(breakers[0]!, clock), "closed");
    }),
    { numRuns: 100 },
  );
});
