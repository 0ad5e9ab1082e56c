import assert from "node:assert/strict";
import fc from "fast-check";
import { createStatsFile, localStatsMemory, openStatsFile } from "../../core/stats/mod.ts";
import { type FailureKind, failures } from "../../core/upstream_error.ts";
import { makeRetry } from "./mod.ts";
import { blockName } from "./shared_block.ts";
import { testHost } from "./testdata/policy_host.ts";

const kinds = Object.keys(failures) as FailureKind[];
const plan = (retry: Record<string, unknown>) => ({
  retry: { attempts: 2, on: ["connect", "refused", 502, 503], budget: 0.2, backoff: 25, ...retry },
});

/** The kinds that are tried again. */
function triedAgain(retryPlan: Parameters<typeof testHost>[0], safe = true): FailureKind[] {
  const retry = makeRetry(testHost(retryPlan));
  return kinds.filter((kind) => {
    const host = testHost(retryPlan);
    return makeRetry(host).next(kind, 0, 1, safe, 0, host.clock.ms) >= 0 ||
      retry.next(kind, 0, 1, safe, 0, 0) >= 0;
  });
}

Deno.test("next() tries failures to connect again where the manifest says nothing, two attempts in all", () => {
  assert.deepEqual(triedAgain({}), ["resolve", "connect", "refused"]);
  assert.deepEqual(triedAgain({}, false), ["resolve", "connect", "refused"]);
  const host = testHost({});
  const retry = makeRetry(host);
  assert.equal(retry.next("refused", 0, 2, true, 0, host.clock.ms), -1);
  assert.equal(host.value("weir_upstream_retries_refused_total", { cause: "attempts" }), 1);
});

Deno.test("next() tries again what `on` lists and nothing else", () => {
  assert.deepEqual(triedAgain(plan({ on: ["connect"] })), ["resolve", "connect", "refused", "tls"]);
  assert.deepEqual(triedAgain(plan({ on: ["refused"] })), ["refused"]);
  assert.deepEqual(triedAgain(plan({ on: ["reset"] })), ["write", "reset"]);
  assert.deepEqual(triedAgain(plan({ on: ["timeout"] })), ["timeout"]);
  assert.deepEqual(triedAgain(plan({ on: [503] })), []);
  const host = testHost(plan({ on: [503, "timeout"] }));
  const retry = makeRetry(host);
  const again = [500, 503, 504].filter((status) =>
    retry.next("status", status, 1, true, 0, host.clock.ms) >= 0
  );
  assert.deepEqual(again, [503]);
});

Deno.test("next() tries nothing again that may have been done and must not be done twice", () => {
  const all = plan({ on: ["connect", "refused", "reset", "timeout", 503] });
  assert.deepEqual(triedAgain(all, false), ["resolve", "connect", "refused", "tls"]);
  const host = testHost(all);
  const retry = makeRetry(host);
  assert.equal(retry.next("status", 503, 1, false, 0, host.clock.ms), -1);
  assert.equal(retry.next("timeout", 0, 1, false, 0, host.clock.ms), -1);
  assert.equal(host.value("weir_upstream_retries_refused_total", { cause: "unsafe" }), 2);
  assert.equal(host.value("weir_upstream_retries_total"), 0);
});

Deno.test("next() waits at random up to the backoff, which doubles up to ten times the first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (n, lot) => {
      const host = testHost(plan({ attempts: 10 }));
      host.clock.lots = [lot];
      const waitMs = makeRetry(host).next("connect", 0, n, true, 0, host.clock.ms);
      assert.equal(waitMs, 25 * Math.min(10, 2 ** (n - 1)) * lot);
    }),
  );
});

Deno.test("next() waits at least as long as the upstream asks, and at most half as long again", () => {
  const timeouts = { connect: 250, attempt: 1000, total: 1_000_000 };
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 400_000, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (
        askedMs,
        lot,
      ) => {
        const host = testHost({ ...plan({}), timeouts });
        host.clock.lots = [lot, lot];
        const waitMs = makeRetry(host).next("status", 503, 1, true, askedMs, host.clock.ms);
        assert.ok(waitMs >= Math.min(askedMs, 300_000), `${waitMs} of ${askedMs}`);
        assert.ok(waitMs <= Math.max(25, Math.min(300_000, askedMs * 1.5)), `${waitMs} of ${askedMs}`);
      },
    ),
  );
});

Deno.test("next() spends nothing on a pause that is longer than a call may take", () => {
  const host = testHost(plan({}));
  const retry = makeRetry(host);
  const left = retry.left(host.clock.ms);
  assert.equal(retry.next("status", 503, 1, true, 60_000, host.clock.ms), -1);
  assert.equal(retry.left(host.clock.ms), left);
  assert.equal(host.value("weir_upstream_retries_refused_total", { cause: "late" }), 1);
});

Deno.test("next() stops at the budget, and counts what it allowed and what not", () => {
  const host = testHost({});
  const retry = makeRetry(host);
  let allowed = 0;
  for (let i = 0; i < 1000; i++) {
    retry.deposit(host.clock.ms);
    if (retry.next("connect", 0, 1, true, 0, host.clock.ms) >= 0) allowed++;
  }
  assert.equal(allowed, 210);
  assert.equal(retry.left(host.clock.ms), 0);
  assert.equal(host.value("weir_upstream_retries_total"), 210);
  assert.equal(host.value("weir_upstream_retries_refused_total", { cause: "budget" }), 790);
});

Deno.test("makeRetry() counts alone, and says so once, where the shared table is full", () => {
  const { shared } = localStatsMemory(1);
  for (let n = 0; n < 2048; n++) shared.int32(`number ${n}`);
  const host = testHost({}, { shared });
  const [one, two] = [makeRetry(host), makeRetry(host)];
  for (let i = 0; i < 10; i++) assert.ok(one.next("connect", 0, 1, true, 0, host.clock.ms) >= 0);
  assert.equal(one.next("connect", 0, 1, true, 0, host.clock.ms), -1);
  assert.ok(two.next("connect", 0, 1, true, 0, host.clock.ms) >= 0);
  assert.equal(host.lines.length, 1);
  assert.match(host.lines[0]!.message, /counts alone/);
});

Deno.test("blockName() fits whatever the upstream is called, and differs where they do", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ unit: "binary", maxLength: 80 }), (name, key) => {
      const text = blockName("breaker", name, key);
      assert.ok(new TextEncoder().encode(text).length <= 48);
      assert.notEqual(text, blockName("breaker", `${name}x`, key));
    }),
  );
});

/** Four processes whose upstream fails every call, one of which is killed; what they did. */
async function failTogether(lengthMs: number, speed: number, batch: number) {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/stats`;
  createStatsFile(path, { slots: 1 });
  const { shared } = openStatsFile(path);
  const script = new URL("testdata/failing_child.ts", import.meta.url).href;
  const args = ["run", "-A", "--no-check", script, path, `${lengthMs}`, `${speed}`, `${batch}`];
  const began = performance.now();
  const children = Array.from(
    { length: 4 },
    () => new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn(),
  );
  const readers = children.map(({ stdout }) => stdout.getReader());
  for (const reader of readers) assert.equal((await reader.read()).done, false, "it has begun");
  const running = performance.now();
  while (shared.int32("test.retries").load() < 50) await new Promise((resolve) => setTimeout(resolve, 5));
  children[0]!.kill("SIGKILL");
  const statuses = await Promise.all(children.map(({ status }) => status));
  for (const reader of readers) await reader.cancel();
  assert.deepEqual(statuses.map(({ success }) => success), [false, true, true, true]);
  Deno.removeSync(folder, { recursive: true });
  return {
    calls: shared.int32("test.calls").load(),
    retries: shared.int32("test.retries").load(),
    // One more: the seconds of the budget do not begin with the test.
    secondsAtMost: Math.ceil((performance.now() - began) * speed / 1000) + 1,
    secondsAtLeast: Math.floor((performance.now() - running) * speed / 1000) - 1,
  };
}

Deno.test("next() of several processes allows 20 % and ten per second at most, also when one is killed", async () => {
  const { calls, retries, secondsAtMost } = await failTogether(30_000, 20, 200);
  assert.ok(calls > 10_000, `${calls} calls`);
  assert.ok(retries <= 0.2 * calls + 10 * secondsAtMost, `${retries} of ${calls} in ${secondsAtMost} s`);
  assert.ok(retries >= 0.18 * calls, `${retries} of ${calls}: the budget is there to be used`);
});

Deno.test("next() of several processes that are seldom called shares ten per second among them", async () => {
  const { calls, retries, secondsAtMost, secondsAtLeast } = await failTogether(30_000, 20, 1);
  assert.ok(retries <= 0.2 * calls + 10 * secondsAtMost, `${retries} of ${calls} in ${secondsAtMost} s`);
  // A machine that is busy makes fewer calls than there are free retries: each may then have its own.
  const enough = Math.min(9 * secondsAtLeast, 0.8 * calls);
  assert.ok(retries >= enough, `${retries} of ${calls} in ${secondsAtLeast} s`);
});
