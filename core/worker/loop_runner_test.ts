import assert from "node:assert/strict";
import type { Context, Log } from "../context.ts";
import { FakeClock } from "../log/testdata/fake_clock.ts";
import type { LoopPlan } from "../manifest/plan.ts";
import { localStatsMemory, readInflight, readLoops, readSeries } from "../stats/mod.ts";
import { LocalLease, type LoopLease } from "./loop_lease.ts";
import { type LoopHandler, LoopRunner } from "./loop_runner.ts";

interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** A runner over a clock that stands still, with everything that it says. */
function runner(handler: LoopHandler, plan: Partial<LoopPlan> = {}, lease?: LoopLease) {
  const clock = new FakeClock();
  const memory = localStatsMemory(1);
  const stats = memory.slot(0).writer({ role: "worker", id: 1 });
  const lines: Line[] = [];
  const say = (level: string) => (message: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ level, message, fields });
  const log: Log = {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: () => log,
  };
  const fatal: string[] = [];
  const nothing = () => {
    throw new Error("not here");
  };
  const loop = new LoopRunner({
    name: "beat",
    plan: {
      handler: { module: "file:///beat.ts", export: "default" },
      every: 1000,
      on: "everyWorker",
      timeout: 0,
      fatal: false,
      ...plan,
    },
    handler,
    log,
    stats,
    clock,
    lease,
    host: {
      userStats: {} as never,
      config: {},
      pool: nothing,
      upstreamHandle: nothing,
      streamHandle: nothing,
    },
    onFatal: (cause) => fatal.push(cause),
  });
  const runs = (result: string) =>
    readSeries(memory).find((one) => one.name === "weir_loop_runs_total" && one.labels.result === result)!
      .value;
  return { clock, memory, stats, lines, fatal, loop, runs, row: () => readLoops(memory).rows[0]! };
}

Deno.test("start() runs a loop start to start, the first time within a tenth of every", async () => {
  const starts: number[] = [];
  const { clock, loop, runs, row } = runner(() => void starts.push(clock.now()));
  loop.start();
  assert.equal(row().state, "waiting");
  await clock.pass(3500);
  assert.deepEqual(starts, [50, 1050, 2050, 3050]);
  assert.equal(runs("ok"), 4);
  assert.deepEqual([row().runs, row().nextAt - clock.epoch()], [4, 550]);
});

Deno.test("start() starts no run while one goes on, and counts the beats that it skips", async () => {
  let open = 0;
  let most = 0;
  const { clock, loop, runs } = runner(async () => {
    most = Math.max(most, ++open);
    await new Promise<void>((resolve) => clock.after(2400, resolve));
    open--;
  });
  loop.start();
  await clock.pass(8950);
  assert.equal(most, 1);
  assert.deepEqual([runs("ok"), runs("skipped")], [3, 6]);
});

Deno.test("start() goes on after an exception, later each time, and says so each time", async () => {
  const starts: number[] = [];
  let broken = true;
  const { clock, loop, runs, lines, row } = runner(() => {
    starts.push(clock.now() - 50);
    if (broken) throw new Error("no luck");
  });
  loop.start();
  await clock.pass(7100);
  assert.deepEqual(starts, [0, 2000, 6000]);
  assert.deepEqual(
    lines.map(({ level, message, fields }) => [level, message, fields.failures, fields.nextInMs]),
    [
      ["error", "a run failed", 1, 2000],
      ["error", "a run failed", 2, 4000],
      ["error", "a run failed", 3, 8000],
    ],
  );
  assert.deepEqual([row().state, row().error, row().errors], ["backingOff", "Error: no luck", 3]);
  broken = false;
  await clock.pass(9000);
  assert.deepEqual(starts.slice(3), [14_000, 15_000, 16_000]);
  assert.deepEqual([runs("error"), runs("ok"), row().state, row().failures], [3, 3, "waiting", 0]);
});

Deno.test("start() shows a stuck run, ends its signal once, and waits for its end", async () => {
  let calls = 0;
  let finish = () => {};
  let context: Context | undefined;
  const { clock, loop, runs, lines, row, memory } = runner((ctx) => {
    calls++;
    context = ctx;
    ctx.mark("asking");
    return new Promise<void>((resolve) => finish = resolve);
  }, { timeout: 300 });
  loop.start();
  await clock.pass(200);
  const [shown] = readInflight(memory).rows;
  assert.deepEqual([shown!.listener, shown!.text, shown!.mark], ["loops.beat", "loop-beat-1", "asking"]);
  assert.equal(context!.request.id, "loop-beat-1");
  assert.equal(context!.deadline, clock.epoch() + 150);
  assert.equal(row().state, "running");
  await clock.pass(10_000);
  assert.equal(calls, 1);
  assert.ok(context!.signal.aborted, "also for who asks late");
  assert.deepEqual([row().state, row().failures, runs("timeout")], ["late", 1, 1]);
  assert.equal(lines.filter(({ level }) => level === "error").length, 1);
  assert.equal(readInflight(memory).total, 1);
  finish();
  await clock.pass(0);
  assert.equal(readInflight(memory).total, 0);
  assert.equal(lines.at(-1)!.message, "a run has ended after its timeout");
  assert.equal(runs("ok"), 0);
  await clock.pass(2000);
  assert.equal(calls, 2);
});

Deno.test("a fatal loop ends its worker for an exception and for a timeout, not for a run that returns", async () => {
  let act = (): unknown => undefined;
  const { clock, loop, fatal } = runner(() => act(), { fatal: true, timeout: 300 });
  loop.start();
  await clock.pass(2000);
  assert.deepEqual(fatal, []);
  act = () => Promise.reject(new TypeError("gone"));
  await clock.pass(1000);
  assert.deepEqual(fatal, ["loops.beat failed: TypeError: gone"]);
  act = () => new Promise(() => {});
  await clock.pass(3000);
  assert.deepEqual(fatal.slice(1), ["loops.beat failed: no end within 300 ms"]);
});

Deno.test("stop() ends the signal, waits for the run, counts no failure of it, and starts none", async () => {
  let calls = 0;
  const { clock, loop, runs, lines, row } = runner((ctx) => {
    calls++;
    return new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
  });
  loop.start();
  await clock.pass(5000);
  let ended = false;
  loop.stop().then(() => ended = true);
  await clock.pass(0);
  assert.deepEqual([calls, ended, row().state], [1, true, "stopped"]);
  assert.deepEqual([runs("error"), lines.length], [0, 0]);
  await clock.pass(5000);
  assert.equal(calls, 1);
  assert.equal(clock.waiting, 0);
});

Deno.test("close() leaves the statistics alone when its run ends later", async () => {
  let finish = () => {};
  const { clock, loop, stats, memory } = runner(() => new Promise<void>((resolve) => finish = resolve));
  loop.start();
  await clock.pass(100);
  loop.close();
  stats.close();
  finish();
  await clock.pass(0);
  assert.equal(readLoops(memory).total, 0);
});

Deno.test("a loop with a lease runs while it holds it, and goes on with the beats of who had it before", async () => {
  let held = false;
  let wanted = false;
  let next: "taken" | "lost" | "kept" = "kept";
  let lastStart = 0;
  const lease: LoopLease = {
    get held() {
      return held;
    },
    get wanted() {
      return wanted;
    },
    get lastStart() {
      return lastStart;
    },
    look() {
      const change = next;
      next = "kept";
      if (change !== "kept") held = change === "taken";
      return change;
    },
    started: (epochMs) => void (lastStart = epochMs),
    release: () => void (held = false),
  };
  const starts: number[] = [];
  let running: Context | undefined;
  let hold = false;
  const { clock, loop, row } = runner(
    (ctx) => {
      starts.push(clock.now());
      running = ctx;
      if (hold) return new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
    },
    { on: "oneWorker" },
    lease,
  );
  loop.start();
  await clock.pass(5000);
  assert.deepEqual([starts, row().state], [[], "standby"]);
  lastStart = clock.epoch() - 400;
  next = "taken";
  loop.look(clock.now());
  await clock.pass(1700);
  assert.deepEqual(starts, [5600, 6600]);
  wanted = true;
  loop.look(clock.now());
  await clock.pass(2000);
  assert.deepEqual([starts.length, held, row().state], [2, false, "standby"]);
  wanted = false;
  hold = true;
  next = "taken";
  loop.look(clock.now());
  await clock.pass(10);
  assert.equal(starts.length, 3);
  assert.ok(!running!.signal.aborted);
  next = "lost";
  loop.look(clock.now());
  await clock.pass(5000);
  assert.ok(running!.signal.aborted);
  assert.deepEqual([starts.length, row().state], [3, "standby"]);
});

Deno.test("a loop on one worker that shares nothing runs in worker 1", async () => {
  let calls = 0;
  const { clock, loop } = runner(() => void calls++, { on: "oneWorker" }, new LocalLease(1, 0, 1000));
  loop.start();
  await clock.pass(900);
  loop.look(clock.now());
  await clock.pass(100);
  loop.look(clock.now());
  await clock.pass(10);
  assert.equal(calls, 1);
});
