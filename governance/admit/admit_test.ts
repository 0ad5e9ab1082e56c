import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../core/errors.ts";
import type { Reason } from "../../core/reasons.ts";
import { Scope } from "../../core/scope.ts";
import type { Call, ServerFilter } from "../../core/server_filter.ts";
import { settled, StandStill, standStill } from "../../core/worker/testdata/stand_still.ts";
import { admit } from "./mod.ts";

const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

function filterOf(plan: Record<string, unknown>, clock = new StandStill()) {
  const scope = new Scope("test");
  const gauges = new Map<string, number>();
  const stats = {
    counter: () => ({ add() {} }),
    gauge: (name: string) => ({ set: (value: number) => void gauges.set(name, value) }),
    histogram: () => ({ record() {} }),
  };
  const filter = admit.make(
    { listener: "api", plan: { admit: plan }, stats, log, clock },
    scope,
  ) as ServerFilter;
  return { filter, clock, scope, gauges };
}

function call(
  keys: Partial<{ ended: boolean; left: boolean }> = {},
): Call & { ended: boolean; left: boolean } {
  return {
    startedAt: 0,
    deadlineAt: Infinity,
    address: "",
    client: "",
    subject: "",
    queuedMs: 0,
    ended: false,
    left: false,
    ...keys,
  };
}

Deno.test("admit lets in as many as may run, makes as many wait as may, and refuses the rest", async () => {
  const { filter, gauges } = filterOf({ concurrency: 2, queue: 1, wait: 100 });
  const [first, second, third, fourth] = [call(), call(), call(), call()];
  assert.deepEqual([filter.before(first), filter.before(second)], [undefined, undefined]);
  const waiting = filter.before(third);
  const refused = filter.before(fourth) as Refusal;
  assert.deepEqual([refused.reason, refused.retryAfterMs, gauges.get("weir_queue_depth")], [
    "queue_full",
    100,
    1,
  ]);
  filter.after!(first, "ok", 5);
  assert.equal(await waiting, undefined);
  assert.equal(gauges.get("weir_queue_depth"), 0);
});

Deno.test("admit without a queue refuses at once", () => {
  const { filter } = filterOf({ concurrency: 1, queue: 0, wait: 0 });
  filter.before(call());
  assert.equal((filter.before(call()) as Refusal).reason, "queue_full");
});

Deno.test("admit refuses with queue_timeout who waited too long, and measures the wait", async () => {
  const { filter, clock } = filterOf({ concurrency: 1, queue: 5, wait: 100 });
  filter.before(call());
  const late = call();
  const verdict = filter.before(late);
  clock.pass(100);
  assert.equal((await verdict as Refusal).reason, "queue_timeout");
  assert.equal(late.queuedMs, 100);
});

Deno.test("admit gives no slot to who left or was answered while it waited", async () => {
  const { filter } = filterOf({ concurrency: 1, queue: 5, wait: 100 });
  const running = call();
  filter.before(running);
  const [left, ended, next] = [call(), call(), call()];
  const verdicts = [left, ended, next].map((one) => filter.before(one));
  left.left = true;
  ended.ended = true;
  filter.after!(running, "ok", 1);
  const [first, second, third] = await Promise.all(verdicts);
  assert.deepEqual([(first as Refusal).reason, (second as Refusal).reason, third], [
    "client_left",
    "queue_timeout",
    undefined,
  ]);
});

Deno.test("admit frees what waits when its scope closes", async () => {
  const { filter, scope, clock } = filterOf({ concurrency: 1, queue: 5, wait: 100 });
  filter.before(call());
  const verdict = filter.before(call());
  await scope.close();
  assert.ok(await verdict instanceof Refusal);
  assert.equal(clock.timers, 0);
});

const plans = [
  { concurrency: 3, queue: 4, wait: 100 },
  { concurrency: 1, queue: 0, wait: 0 },
  { concurrency: { auto: { floor: 2, ceiling: 6 } }, queue: 4, wait: 100 },
];

Deno.test("admit behind a listener leaks no slot and lets in no more than may run, whatever ends how", async () => {
  const step = fc.record({
    what: fc.constantFrom(
      "ask",
      "ask",
      "ask",
      "resolve",
      "resolve",
      "reject",
      "leave",
      "pass",
      "deadlines",
      "leaks",
    ),
    which: fc.nat(20),
    ms: fc.nat(120),
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...plans), fc.array(step, { maxLength: 70 }), async (plan, steps) => {
      const { filter, clock, gauges } = filterOf(plan);
      const kernel = standStill({ filters: [filter], clock });
      const running: PromiseWithResolvers<string>[] = [];
      const clients: ReturnType<typeof kernel.open>[] = [];
      const answers: Promise<unknown>[] = [];
      /** Handlers that run and whose slot was not taken back. */
      let held = 0;
      const bound = typeof plan.concurrency === "number" ? plan.concurrency : plan.concurrency.auto.ceiling;
      const most = () => gauges.get("weir_concurrency_limit")!;
      let asked = 0;
      const ask = () => {
        const client = kernel.open();
        clients.push(client);
        asked++;
        const service = () => {
          held++;
          assert.ok(held - Number(kernel.total("weir_slots_leaked_total")) <= bound);
          const handler = Promise.withResolvers<string>();
          running.push(handler);
          return handler.promise.finally(() => held--);
        };
        answers.push(
          Promise.resolve(kernel.listener.handle(client.connection!, "m", "GET /", service as never)),
        );
      };
      for (const { what, which, ms } of steps) {
        if (what === "ask") ask();
        else if (what === "resolve") running.splice(which % Math.max(1, running.length), 1)[0]?.resolve("ok");
        else if (what === "reject") {
          running.splice(which % Math.max(1, running.length), 1)[0]?.reject(new Error("boom"));
        } else if (what === "leave") {
          clients[which % Math.max(1, clients.length)]?.connection?.done("client_closed");
        } else {
          clock.pass(what === "deadlines" ? 1000 : what === "leaks" ? 3000 : ms);
          kernel.listener.tick();
        }
        await settled();
      }
      for (const handler of running.splice(0)) handler.resolve("end");
      for (let i = 0; i < 20 && kernel.listener.pending > 0; i++) {
        clock.pass(1000);
        kernel.listener.tick();
        await settled();
        for (const handler of running.splice(0)) handler.resolve("end");
        await settled();
      }
      await Promise.all(answers);
      assert.deepEqual([kernel.listener.pending, kernel.stats.inflight.size], [0, 0]);
      assert.equal(kernel.total("weir_requests_total"), asked, "each ends once");
      // Every slot is back: as many as may run are let in at once, and not one more.
      const limit = most();
      for (let i = 0; i < limit; i++) assert.equal(filter.before(call()), undefined, `slot ${i} of ${limit}`);
      assert.notEqual(filter.before(call()), undefined);
    }),
    { numRuns: 60 },
  );
});

Deno.test("admit does not learn from what was refused behind it", () => {
  const { filter, gauges } = filterOf({
    concurrency: { auto: { floor: 4, ceiling: 100 } },
    queue: 10,
    wait: 100,
  });
  const before = gauges.get("weir_concurrency_limit");
  const calls = Array.from({ length: 4 }, () => call());
  for (const reason of ["pool_full", "handler_error", "client_left"] as Reason[]) {
    for (let i = 0; i < 100; i++) {
      for (const one of calls) filter.before(one);
      for (const one of calls) filter.after!(one, reason, 0);
    }
  }
  assert.equal(gauges.get("weir_concurrency_limit"), before);
});
