import assert from "node:assert/strict";
import { createStatsFile, localStatsMemory, openStatsFile } from "../../core/stats/mod.ts";
import { systemClock } from "../../core/clock.ts";
import { Pass } from "../../core/upstream/contract.ts";
import { testHost } from "../retry/testdata/policy_host.ts";
import { makeBreakers } from "./mod.ts";

const plan = { window: 10_000, minimum: 20, failures: 0.5, open: 5000, probes: 3, per: "upstream" };

Deno.test("makeBreakers() makes none where the plan has none, and one for the whole upstream", () => {
  assert.equal(makeBreakers(testHost({})), undefined);
  const set = makeBreakers(testHost({ breaker: plan }))!;
  assert.equal(set.of("GET"), set.of("POST"));
  assert.deepEqual(set.list().map(({ key }) => key), ["users"]);
});

Deno.test("of() gives each method its own breaker, 64 of them, and the rest one", () => {
  const host = testHost({ breaker: { ...plan, per: "method" } });
  const set = makeBreakers(host)!;
  const { ms } = host.clock;
  for (let i = 0; i < 20; i++) set.of("get").leave(set.of("get").enter(ms), false, true, ms);
  assert.equal(set.of("get").state(ms).state, "open");
  assert.equal(set.of("put").state(ms).state, "closed");
  for (let n = 0; n < 1000; n++) set.of(`method ${n}`);
  assert.equal(set.list().length, 65);
  assert.equal(set.of("method 999"), set.of("method 998"));
  assert.equal(set.of("method 999").key, "other");
  assert.equal(set.of(""), set.of("method 999"));
  assert.equal(host.lines.filter(({ message }) => message.includes("the rest share one")).length, 1);
  assert.ok(host.series.size < 10, "breakers that never open have no series");
});

Deno.test("of() gives the place of a breaker that nobody asks for to a new one, whose state is kept elsewhere", () => {
  const host = testHost({ breaker: { ...plan, per: "endpoint" } });
  const set = makeBreakers(host)!;
  const { clock } = host;
  for (let n = 0; n < 256; n++) set.of(`10.0.0.${n}:80`).enter(clock.ms);
  assert.equal(set.of("10.0.1.1:80").key, "other");
  for (let i = 0; i < 20; i++) set.of("10.0.0.7:80").leave(Pass.yes, false, true, clock.ms);
  clock.ms += 660_000;
  set.of("10.0.0.1:80").enter(clock.ms);
  const added = set.of("10.0.1.1:80");
  assert.equal(added.key, "10.0.1.1:80");
  assert.deepEqual(set.list().map(({ key }) => key).sort(), ["10.0.0.1:80", "10.0.1.1:80", "other"]);
  assert.notEqual(
    set.of("10.0.0.7:80").state(clock.ms).state,
    "closed",
    "it was open, and has not been probed",
  );
});

Deno.test("of() works on with numbers of its own where the shared table is full, and says so once", () => {
  const { shared } = localStatsMemory(1);
  for (let n = 0; n < 2047; n++) shared.int32(`number ${n}`);
  const host = testHost({ breaker: { ...plan, per: "endpoint" } }, { shared });
  const set = makeBreakers(host)!;
  const { ms } = host.clock;
  for (const key of ["a:1", "b:1"]) {
    for (let i = 0; i < 20; i++) set.of(key).leave(set.of(key).enter(ms), false, true, ms);
    assert.equal(set.of(key).enter(ms), Pass.no);
  }
  assert.equal(host.lines.filter(({ message }) => message.includes("counts alone")).length, 1);
});

Deno.test("workers of another plan, or another name, have other breakers", () => {
  const { shared } = localStatsMemory(1);
  const [one, two] = [plan, { ...plan, open: 60_000 }].map((breaker) => testHost({ breaker }, { shared }));
  makeBreakers(one!)!.of("").force("open", "test");
  assert.equal(makeBreakers(two!)!.of("").enter(0), Pass.yes);
  assert.equal(makeBreakers({ ...one!, name: "orders" })!.of("").enter(0), Pass.yes);
  assert.equal(makeBreakers(one!)!.of("").enter(0), Pass.no);
});

Deno.test("probes are divided among workers that do not share their numbers", () => {
  const host = testHost({ breaker: { ...plan, probes: 4 } }, { acrossProcesses: false });
  const breaker = makeBreakers(host, { workers: 2 })!.of("");
  breaker.force("open", "test");
  breaker.force("auto", "test");
  const passes = [1, 2, 3].map(() => breaker.enter(host.clock.ms));
  assert.deepEqual(passes, [Pass.probe, Pass.probe, Pass.no]);
});

/** Processes with the breaker of `breakerPlan`, and the numbers that they are steered with. */
function fleet(
  count: number,
  breakerPlan: typeof plan,
  timeouts = { connect: 250, attempt: 1000, total: 3000 },
) {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/stats`;
  createStatsFile(path, { slots: 1 });
  const { shared } = openStatsFile(path);
  const script = new URL("testdata/entering_child.ts", import.meta.url).href;
  const given = JSON.stringify({ breaker: breakerPlan, timeouts });
  const children = Array.from({ length: count }, () =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script, path, given],
      stdin: "piped",
    }).spawn());
  const host = { ...testHost({ breaker: breakerPlan, timeouts }, { shared }), clock: systemClock, shared };
  const number = (name: string) => shared.int32(`test.${name}`);
  return {
    children,
    breaker: makeBreakers(host as never)!.of(""),
    number,
    /** Lets every process that still runs do `command` once; returns when all have. */
    async all(command: string, running = count) {
      number("done").store(0);
      number("command").store(commands.indexOf(command));
      // All at the same moment: they wait for it without giving up their core.
      number("at").store((Date.now() + 10) & 0x7fffffff);
      number("round").add(1);
      await until(() => number("done").load() === running);
    },
    async stop() {
      number("stop").store(1);
      for (const child of children) await child.stdin.close().catch(() => {});
      const statuses = await Promise.all(children.map(({ status }) => status));
      Deno.removeSync(folder, { recursive: true });
      return statuses;
    },
  };
}

const commands = ["enter", "good", "fail"];

async function until(fact: () => boolean, mostMs = 20_000): Promise<void> {
  const end = performance.now() + mostMs;
  while (!fact()) {
    assert.ok(performance.now() < end, "it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("four processes that ask a half-open breaker at once get exactly its probes, each time", async () => {
  const { all, breaker, number, stop } = fleet(4, plan);
  await until(() => number("ready").load() === 4);
  for (let round = 1; round <= 40; round++) {
    breaker.force("open", "test");
    breaker.force("auto", "test");
    number("probes").store(0);
    number("passed").store(0);
    await all("enter");
    assert.equal(number("probes").load(), 3, `round ${round}`);
    assert.equal(number("passed").load(), 0);
    assert.equal(breaker.state(systemClock.now()).state, "halfOpen");
    if (round % 2 === 0) {
      await all("good");
      assert.equal(breaker.state(systemClock.now()).state, "ramp");
    }
    breaker.force("closed", "test");
  }
  assert.ok((await stop()).every(({ success }) => success));
});

Deno.test("four processes open a breaker together, once, and what none of them could alone", async () => {
  const { all, breaker, number, stop } = fleet(4, plan);
  await until(() => number("ready").load() === 4);
  for (let round = 1; round <= 10; round++) {
    number("changes").store(0);
    // Five failures of each make the minimum of 20.
    await all("fail");
    const { state, calls, failures } = breaker.state(systemClock.now());
    assert.deepEqual([state, calls, failures], ["open", 20, 20], `round ${round}`);
    assert.equal(number("changes").load(), 1);
    breaker.force("closed", "test");
    breaker.force("auto", "test");
  }
  assert.ok((await stop()).every(({ success }) => success));
});

Deno.test("a half-open breaker recovers when the process with its probes is killed", async () => {
  const timeouts = { connect: 50, attempt: 100, total: 200 };
  const { all, children, breaker, number, stop } = fleet(2, plan, timeouts);
  await until(() => number("ready").load() === 2);
  breaker.force("open", "test");
  breaker.force("auto", "test");
  // All probes are taken by the two, and one of them never says how they ended.
  await all("enter");
  assert.equal(number("probes").load(), 3);
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map(({ status }) => status));
  assert.equal(breaker.enter(systemClock.now()), Pass.no);
  await until(() => breaker.enter(systemClock.now()) === Pass.probe);
  for (let i = 0; i < 3; i++) breaker.enter(systemClock.now());
  for (let i = 0; i < 3; i++) breaker.leave(Pass.probe, true, true, systemClock.now());
  assert.equal(breaker.state(systemClock.now()).state, "ramp");
  await stop();
});
