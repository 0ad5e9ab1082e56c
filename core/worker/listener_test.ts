import assert from "node:assert/strict";
import { Refusal, ServiceError } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Call, ServerFilter } from "../server_filter.ts";
import { settled, standStill } from "./testdata/stand_still.ts";

type Kernel = ReturnType<typeof standStill>;

function ask(
  kernel: Kernel,
  service: (message: string, context: Context) => unknown,
  connection = kernel.open(),
) {
  return kernel.listener.handle(connection.connection!, "message", "GET /", service as never) as unknown;
}

/** A filter that remembers what it was asked. */
function remembering(verdict: () => undefined | Refusal | Promise<undefined | Refusal> = () => undefined) {
  const afters: string[] = [];
  let befores = 0;
  const filter: ServerFilter = {
    before: () => {
      befores++;
      return verdict();
    },
    after: (_call, reason) => void afters.push(reason),
  };
  return { filter, afters, befores: () => befores };
}

Deno.test("Listener answers at once when the handler does", () => {
  const first = remembering();
  const kernel = standStill({ filters: [first.filter] });
  assert.equal(ask(kernel, () => "answer"), "answer");
  assert.deepEqual([first.befores(), first.afters], [1, ["ok"]]);
  assert.equal(kernel.total("weir_requests_total", { reason: "ok" }), 1);
  assert.deepEqual([kernel.listener.pending, kernel.stats.inflight.size], [0, 0]);
});

Deno.test("Listener stops at the filter that refuses, and tells those before it", () => {
  const [first, second, third] = [
    remembering(),
    remembering(() => new Refusal("rate_limited")),
    remembering(),
  ];
  const kernel = standStill({ filters: [first.filter, second.filter, third.filter] });
  assert.equal((ask(kernel, () => "answer") as Refusal).reason, "rate_limited");
  assert.deepEqual([first.afters, second.afters, third.befores()], [["rate_limited"], [], 0]);
  assert.equal(kernel.lines[0]!.status, 429);
  assert.equal(kernel.stats.inflight.size, 0);
});

Deno.test("Listener waits for filters, in order, and then for the handler", async () => {
  const [first, second] = [
    remembering(() => Promise.resolve(undefined)),
    remembering(() => Promise.resolve(undefined)),
  ];
  const kernel = standStill({ filters: [first.filter, second.filter] });
  const answer = ask(kernel, () => Promise.resolve("late"));
  assert.equal(kernel.listener.pending, 1);
  assert.equal(await answer, "late");
  assert.deepEqual([first.afters, second.afters, kernel.listener.pending], [["ok"], ["ok"], 0]);
});

for (
  const [name, thrown, reason, logged] of [
    ["an error", () => new Error("boom"), "handler_error", 1],
    ["a refusal", () => new Refusal("forbidden"), "forbidden", 0],
    [
      "a ServiceError of the client",
      () => new ServiceError("body_too_large", "x", { source: "client" }),
      "body_too_large",
      0,
    ],
    ["a ServiceError of its own", () => new ServiceError("pool_lost", "x"), "pool_lost", 1],
  ] as const
) {
  Deno.test(`Listener makes a refusal of ${name}, thrown or rejected`, async () => {
    for (const later of [false, true]) {
      const first = remembering();
      const kernel = standStill({ filters: [first.filter] });
      const answer = await ask(kernel, () => {
        if (later) return Promise.reject(thrown());
        throw thrown();
      });
      assert.equal((answer as Refusal).reason, reason);
      assert.deepEqual([first.afters, kernel.errors.length], [[reason], logged]);
      assert.equal(kernel.stats.inflight.size, 0);
    }
  });
}

Deno.test("Listener makes handler_error of an answer that the protocol cannot send", () => {
  const kernel = standStill();
  kernel.listener.statusOf = (answer) => answer === "good" ? 200 : -1;
  assert.equal(ask(kernel, () => "good"), "good");
  assert.equal((ask(kernel, () => "bad") as Refusal).reason, "handler_error");
  assert.equal(kernel.total("weir_requests_total", { reason: "handler_error" }), 1);
  assert.deepEqual(kernel.lines.map((line) => line.status), [200, 500]);
});

Deno.test("Listener answers for a handler at its deadline, and holds the slot until the handler is through", async () => {
  const first = remembering();
  const kernel = standStill({ filters: [first.filter] });
  const { promise, resolve } = Promise.withResolvers<string>();
  const reasons: unknown[] = [];
  const answer = ask(kernel, (_message, context) => {
    context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
    return promise;
  });
  kernel.clock.pass(999);
  kernel.listener.tick();
  assert.equal(reasons.length, 0);
  kernel.clock.pass(1);
  kernel.listener.tick();
  assert.equal((await answer as Refusal).reason, "deadline");
  assert.deepEqual(reasons.map((one) => (one as ServiceError).reason), ["deadline"]);
  assert.deepEqual([first.afters, kernel.listener.pending, kernel.stats.inflight.size], [[], 1, 1]);
  resolve("too late");
  await settled();
  assert.deepEqual([first.afters, kernel.listener.pending, kernel.stats.inflight.size], [["deadline"], 0, 0]);
  assert.equal(kernel.total("weir_requests_total"), 1);
  assert.equal(kernel.lines.length, 1);
});

Deno.test("Listener takes a slot back after three deadlines, once, however the handler ends then", async () => {
  for (const end of ["resolve", "reject"] as const) {
    const first = remembering();
    const kernel = standStill({ filters: [first.filter] });
    const held = Promise.withResolvers<string>();
    ask(kernel, () => held.promise);
    kernel.clock.pass(1000);
    kernel.listener.tick();
    kernel.clock.pass(2000);
    kernel.listener.tick();
    assert.deepEqual([first.afters, kernel.listener.pending], [["slot_leaked"], 0]);
    assert.equal(kernel.total("weir_slots_leaked_total"), 1);
    if (end === "resolve") held.resolve("at last");
    else held.reject(new Error("at last"));
    await settled();
    kernel.listener.tick();
    assert.deepEqual([first.afters, kernel.listener.pending, kernel.stats.inflight.size], [
      ["slot_leaked"],
      0,
      0,
    ]);
    assert.equal(kernel.total("weir_requests_total"), 1);
    assert.equal(kernel.total("weir_requests_in_flight"), 0);
  }
});

Deno.test("Listener passes the deadline while a filter makes it wait, without running the handler", async () => {
  const turn = Promise.withResolvers<undefined>();
  const [first, second] = [remembering(), remembering(() => turn.promise)];
  const kernel = standStill({ filters: [first.filter, second.filter] });
  let ran = false;
  const answer = ask(kernel, () => ran = true);
  kernel.clock.pass(1000);
  kernel.listener.tick();
  assert.equal((await answer as Refusal).reason, "deadline");
  turn.resolve(undefined);
  await settled();
  // Both let it pass in the end, so both are told.
  assert.deepEqual([ran, first.afters, second.afters, kernel.listener.pending], [false, ["deadline"], [
    "deadline",
  ], 0]);
});

Deno.test("Listener does not run a request whose client left while it waited", async () => {
  const turn = Promise.withResolvers<undefined>();
  const first = remembering(() => turn.promise);
  const kernel = standStill({ filters: [first.filter] });
  const client = kernel.open();
  let ran = false;
  const answer = ask(kernel, () => ran = true, client);
  client.connection!.done("client_closed");
  turn.resolve(undefined);
  assert.equal((await answer as Refusal).reason, "client_left");
  assert.deepEqual([ran, first.afters], [false, ["client_left"]]);
});

Deno.test("Listener aborts the signal when the client leaves, and leaves no watcher behind otherwise", async () => {
  const kernel = standStill();
  const client = kernel.open();
  const held = Promise.withResolvers<string>();
  const reasons: unknown[] = [];
  const listen = (context: Context) =>
    context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
  const answer = ask(kernel, (_message, context) => {
    listen(context);
    return held.promise;
  }, client);
  client.connection!.done("client_reset");
  assert.deepEqual(reasons.map((one) => (one as ServiceError).reason), ["client_left"]);
  held.resolve("for nobody");
  await answer;
  assert.equal(kernel.total("weir_requests_total", { reason: "client_left" }), 1);
  const other = kernel.open();
  ask(kernel, (_message, context) => {
    listen(context);
    return "done";
  }, other);
  assert.equal(other.connection!.watchers!.size, 0);
});

Deno.test("Listener refuses what waited while handlers kept the loop, until the loop turns", async () => {
  const kernel = standStill({ plan: { admit: { wait: 100 } } });
  const burn = () => {
    kernel.clock.pass(60);
    return "burnt";
  };
  for (let i = 0; i < 3; i++) assert.equal(ask(kernel, burn), "burnt");
  const refused = ask(kernel, burn) as Refusal;
  assert.deepEqual([refused.reason, refused.retryAfterMs], ["queue_timeout", 100]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ask(kernel, burn), "burnt");
  // What was awaited left the loop free.
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await ask(kernel, () => (kernel.clock.pass(500), Promise.resolve("later"))), "later");
  }
});

Deno.test("Listener serves on after one long pause: there is no queue of work behind it", () => {
  const kernel = standStill({ plan: { admit: { wait: 100 } } });
  assert.equal(ask(kernel, () => (kernel.clock.pass(5000), "paused")), "paused");
  for (let i = 0; i < 20; i++) assert.equal(ask(kernel, () => (kernel.clock.pass(1), "served")), "served");
});

Deno.test("Listener.refuse() counts what never became a message", () => {
  const kernel = standStill();
  kernel.listener.refuse(kernel.open().connection!, "url_too_long", "GET /long");
  assert.equal(kernel.total("weir_requests_total", { reason: "url_too_long" }), 1);
  assert.equal(kernel.total("weir_responses_total", { status: "4xx" }), 1);
  assert.equal(kernel.lines[0]!.status, 414);
});

Deno.test("Listener shows filters a call whose times and peer are right", () => {
  let seen: Call | undefined;
  const kernel = standStill({ filters: [{ before: (call) => void (seen = call) }] });
  ask(kernel, () => "x", kernel.open("10.0.0.7"));
  assert.equal(seen!.address, "10.0.0.7");
  assert.equal(seen!.deadlineAt - seen!.startedAt, 1000);
  assert.deepEqual([seen!.ended, seen!.left, seen!.queuedMs], [true, false, 0]);
});
