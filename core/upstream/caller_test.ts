import assert from "node:assert/strict";
import { UpstreamError } from "../upstream_error.ts";
import { type Breaker, type Breakers, type Caller, Pass, type Throttle } from "./contract.ts";
import { scriptedCaller, settled } from "./testdata/scripted.ts";

/** The failure a call ended with, or its reply. */
function ending(call: Promise<unknown>): { value: unknown } {
  const end: { value: unknown } = { value: undefined };
  call.then(
    (reply) => end.value = reply,
    (error) => end.value = error instanceof UpstreamError ? error.failure : error,
  );
  return end;
}

Deno.test("UpstreamCaller answers with the endpoint's reply, and counts what is in flight", async () => {
  const { caller, network, endpoints, owner, ended } = scriptedCaller({}, { endpoints: 1 });
  const call = ending(caller.call("a", owner, {}));
  await settled();
  assert.deepEqual([caller.inflight, endpoints[0]!.inflight], [1, 1]);
  network(0).sessions[0]!.answer("200");
  await settled();
  assert.deepEqual([call.value, caller.inflight, endpoints[0]!.inflight, ended], ["200", 0, 0, ["ok"]]);
});

Deno.test("UpstreamCaller asks another endpoint when the first refuses, and tells of both when all fail", async () => {
  const { caller, network, owner, outcomes } = scriptedCaller({}, { attempts: 3, endpoints: 3 });
  network(0).fail = "refused";
  network(1).fail = "connect";
  const good = ending(caller.call("a", owner, {}));
  await settled();
  network(2).sessions[0]!.answer("200");
  await settled();
  assert.equal(good.value, "200");
  assert.deepEqual(outcomes.map(({ failure }) => failure), ["refused", "connect", undefined]);
  network(2).fail = "tls";
  network(2).sessions[0]!.close();
  const error = await caller.call("a", owner, {}).catch((error) => error) as UpstreamError;
  assert.deepEqual([error.failure, error.attempts.length], ["tls", 2]);
});

Deno.test("UpstreamCaller sends again what may have been received only where that is safe", async () => {
  for (const idempotent of [true, false]) {
    const { caller, network, owner } = scriptedCaller({}, { attempts: 2 });
    const call = ending(caller.call("a", owner, { idempotent }));
    await settled();
    network(0).sessions[0]!.break("reset");
    await settled();
    assert.deepEqual([call.value, network(1).dials], idempotent ? [undefined, 1] : ["reset", 0]);
  }
});

Deno.test("UpstreamCaller sends again what was not sent, also where it may be sent once only", async () => {
  const { caller, network, owner } = scriptedCaller({}, { attempts: 2 });
  ending(caller.call("a", owner, { idempotent: false }));
  await settled();
  network(0).sessions[0]!.break("reset", false);
  await settled();
  assert.equal(network(1).sessions[0]!.attempts.length, 1);
});

Deno.test("UpstreamCaller tries a status again and hands on the last one as a reply", async () => {
  const { caller, network, owner, outcomes } = scriptedCaller({}, { attempts: 2 });
  const call = ending(caller.call("a", owner, { idempotent: true }));
  await settled();
  network(0).sessions[0]!.answer("503");
  await settled();
  network(1).sessions[0]!.answer("502");
  await settled();
  assert.equal(call.value, "502");
  assert.deepEqual(outcomes.map(({ ok, status }) => [ok, status]), [[false, 503], [false, 502]]);
});

Deno.test("UpstreamCaller ends an attempt at its limit, tells health, and tries elsewhere", async () => {
  const { caller, network, owner, clock, outcomes } = scriptedCaller(
    { timeouts: { attempt: "100ms", total: "1s" } },
    { attempts: 2 },
  );
  const call = ending(caller.call("a", owner, { idempotent: true }));
  await settled();
  clock.advance(99);
  caller.tick(clock.now());
  assert.equal(outcomes.length, 0);
  clock.advance(1);
  caller.tick(clock.now());
  await settled();
  assert.deepEqual(outcomes.map(({ failure }) => failure), ["timeout"]);
  assert.equal(network(0).sessions[0]!.abandoned.length, 1);
  network(1).sessions[0]!.answer("200");
  await settled();
  assert.equal(call.value, "200");
});

Deno.test("UpstreamCaller ends a call at its own limit as a timeout, at its owner's as the owner's deadline", async () => {
  const { caller, clock, outcomes } = scriptedCaller({ timeouts: { attempt: "1s", total: "3s" } });
  const now = clock.now();
  const own = ending(caller.call("a", { deadlineAt: Infinity, abandoned: false }, { timeoutMs: 50 }));
  const owners = ending(caller.call("a", { deadlineAt: now + 50, abandoned: false }, {}));
  const late = ending(caller.call("a", { deadlineAt: now - 1, abandoned: false }, {}));
  await settled();
  clock.advance(50);
  caller.tick(clock.now());
  await settled();
  assert.deepEqual([own.value, owners.value, late.value], ["timeout", "deadline", "deadline"]);
  // A deadline that left the endpoint less time than it was promised is no failure of it.
  assert.deepEqual(outcomes.map(({ failure }) => failure), ["timeout"]);
});

Deno.test("UpstreamCaller gives up on calls whose caller is gone, and learns nothing from that", async () => {
  const { caller, clock, outcomes, network } = scriptedCaller({}, { attempts: 3 });
  const owner = { deadlineAt: Infinity, abandoned: false };
  const aborter = new AbortController();
  const calls = [caller.call("a", owner, {}), caller.call("a", owner, { signal: aborter.signal })].map(
    ending,
  );
  await settled();
  aborter.abort();
  caller.tick(clock.now());
  await settled();
  assert.deepEqual(calls.map(({ value }) => value), [undefined, "cancelled"]);
  owner.abandoned = true;
  caller.tick(clock.now());
  await settled();
  assert.deepEqual([calls[0]!.value, outcomes.length, caller.inflight], ["cancelled", 0, 0]);
  assert.equal(network(0).sessions[0]!.abandoned.length + network(1).sessions[0]!.abandoned.length, 2);
});

Deno.test("UpstreamCaller asks a second endpoint when the first is slow, takes the first reply, and drops the other", async () => {
  let budget = 1;
  const seen: number[] = [];
  const hedge = {
    deposit() {},
    delayMs: () => 30,
    take: () => budget-- > 0,
    observe: (latencyMs: number) => void seen.push(latencyMs),
  };
  const { caller, network, clock, owner, endpoints } = scriptedCaller({}, { hedge });
  const call = ending(caller.call("a", owner, { idempotent: true }));
  const unsafe = ending(caller.call("a", owner, {}));
  await settled();
  clock.advance(30);
  caller.tick(clock.now());
  await settled();
  assert.deepEqual([network(0).dials, network(1).dials], [1, 2]);
  network(1).sessions.at(-1)!.answer("200");
  await settled();
  assert.deepEqual([call.value, unsafe.value], ["200", undefined]);
  // The first one took at least as long.
  assert.deepEqual(seen, [30]);
  assert.equal(network(0).sessions[0]!.abandoned.length, 1);
  assert.deepEqual(endpoints.map((one) => one.inflight), [0, 1]);
});

Deno.test("UpstreamCaller waits for the second attempt of a hedged call when the first fails", async () => {
  const hedge = { deposit() {}, delayMs: () => 30, take: () => true, observe() {} };
  const { caller, network, clock, owner } = scriptedCaller({}, { hedge });
  const call = ending(caller.call("a", owner, { idempotent: true }));
  await settled();
  clock.advance(30);
  caller.tick(clock.now());
  await settled();
  network(0).sessions[0]!.break();
  await settled();
  assert.equal(call.value, undefined);
  network(1).sessions[0]!.answer("200");
  await settled();
  assert.equal(call.value, "200");
});

Deno.test("UpstreamCaller refuses with an open breaker, tells it every end once, and of cancelled calls nothing", async () => {
  const told: unknown[] = [];
  let pass: 0 | 1 = Pass.yes;
  const breaker: Breaker = {
    key: "users",
    enter: () => pass,
    leave: (_pass, ok, counts) => told.push([ok, counts]),
    force() {},
    state: () => assert.fail(),
  };
  const breakers: Breakers = { per: "upstream", of: () => breaker, list: () => [breaker] };
  const { caller, network, owner, clock } = scriptedCaller({}, { breakers, endpoints: 1 });
  const first = ending(caller.call("a", owner, {}));
  await settled();
  network(0).sessions[0]!.answer("500");
  const aborter = new AbortController();
  const second = ending(caller.call("a", owner, { signal: aborter.signal }));
  await settled();
  aborter.abort();
  caller.tick(clock.now());
  pass = Pass.no;
  const third = ending(caller.call("a", owner, {}));
  await settled();
  assert.deepEqual([first.value, second.value, third.value], ["500", "cancelled", "breaker"]);
  assert.deepEqual(told, [[false, true], [false, false]]);
});

Deno.test("UpstreamCaller with a breaker per endpoint goes to those whose breakers are closed", async () => {
  const open = new Set(["10.0.0.1:80", "10.0.0.2:80"]);
  const of = (key: string): Breaker => ({
    key,
    enter: () => open.has(key) ? Pass.no : Pass.yes,
    leave() {},
    force() {},
    state: () => assert.fail(),
  });
  const breakers: Breakers = { per: "endpoint", of, list: () => [] };
  const { caller, network, owner } = scriptedCaller({}, { breakers, endpoints: 3 });
  ending(caller.call("a", owner, {}));
  await settled();
  assert.deepEqual([0, 1, 2].map((n) => network(n).dials), [0, 0, 1]);
  open.add("10.0.0.3:80");
  const refused = ending(caller.call("a", owner, {}));
  await settled();
  assert.equal(refused.value, "breaker");
});

Deno.test("UpstreamCaller holds its place of the throttle through all attempts and gives it back once", async () => {
  let inside = 0;
  const turns: Array<(mine: boolean) => void> = [];
  const throttle: Throttle = {
    enter: () =>
      inside === 0
        ? (inside++, true)
        : turns.length > 0
        ? false
        : new Promise((resolve) => turns.push(resolve)),
    leave: () => void inside--,
    inflight: 0,
    waiting: 0,
    tick() {},
  };
  const { caller, network, owner } = scriptedCaller({}, { throttle, attempts: 2 });
  network(0).fail = "refused";
  const [first, second, third] = [1, 2, 3].map(() => ending(caller.call("a", owner, {})));
  await settled();
  assert.deepEqual([inside, third!.value], [1, "throttle"]);
  network(1).sessions[0]!.answer("200");
  await settled();
  assert.deepEqual([first!.value, inside], ["200", 0]);
  turns[0]!(false);
  await settled();
  assert.equal(second!.value, "throttle");
});

Deno.test("UpstreamCaller asks the fallback when nothing of its own can be used, and only then", async () => {
  const asked: unknown[] = [];
  const fallback = {
    call: (request: unknown) => (asked.push(request), Promise.resolve("from the fallback")),
  };
  const { caller, network, owner } = scriptedCaller({}, {
    endpoints: 1,
    fallback: () => fallback as unknown as Caller<unknown, unknown>,
  });
  network(0).fail = "refused";
  assert.equal(await caller.call("a", owner, {}), "from the fallback");
  network(0).fail = undefined;
  const second = ending(caller.call("b", owner, {}));
  await settled();
  network(0).sessions[0]!.break("reset");
  await settled();
  assert.deepEqual([second.value, asked], ["reset", ["a"]]);
});

Deno.test("UpstreamCaller has nothing in flight after any mix of ends", async () => {
  const { caller, network, clock, endpoints, pools } = scriptedCaller(
    {
      pool: { connections: 3, warm: 0, waiters: 4, wait: "20ms" },
      timeouts: { connect: "40ms", attempt: "50ms", total: "200ms" },
    },
    { attempts: 3, endpoints: 3 },
  );
  const owners = Array.from({ length: 300 }, () => ({ deadlineAt: Infinity, abandoned: false }));
  const ends = owners.map((owner, i) => ending(caller.call("a", owner, { idempotent: i % 3 === 0 })));
  for (let step = 0; step < 400; step++) {
    await settled();
    const dice = clock.random();
    const one = network(Math.floor(clock.random() * 3));
    one.fail = clock.random() < 0.1 ? "refused" : undefined;
    const session = one.sessions.filter((it) => it.attempts.length > 0).at(-1);
    if (session && dice < 0.5) session.answer(clock.random() < 0.3 ? "503" : "200");
    else if (session && dice < 0.6) session.break("reset", clock.random() < 0.5);
    else if (dice < 0.7) owners[Math.floor(clock.random() * 300)]!.abandoned = true;
    clock.advance(1);
    caller.tick(clock.now());
    for (const pool of pools.values()) {
      pool.expire(clock.now());
      pool.tick(clock.now(), 0);
    }
  }
  await settled();
  assert.equal(caller.inflight, 0);
  assert.ok(ends.every(({ value }) => typeof value === "string"));
  for (let n = 0; n < 3; n++) network(n).sessions.forEach((one) => one.attempts.length > 0 && one.break());
  await settled();
  assert.deepEqual(endpoints.map((one) => one.inflight), [0, 0, 0]);
  assert.deepEqual([...pools.values()].map((pool) => pool.waiters), [0, 0, 0]);
});

Deno.test("UpstreamCaller takes a connection that was ending anyway for one that refused, where that is safe", async () => {
  const cases = [
    { failure: "reset", idempotent: true, sent: true, stale: true, asked: "refused" },
    { failure: "write", idempotent: true, sent: true, stale: true, asked: "refused" },
    { failure: "reset", idempotent: true, sent: true, stale: false, asked: "reset" },
    { failure: "reset", idempotent: false, sent: true, stale: true, asked: "reset" },
    { failure: "write", idempotent: false, sent: false, stale: false, asked: "refused" },
    { failure: "protocol", idempotent: true, sent: true, stale: true, asked: "protocol" },
  ] as const;
  for (const { failure, idempotent, sent, stale, asked } of cases) {
    const told: string[] = [];
    const retry = {
      deposit() {},
      next: (failure: string) => {
        told.push(failure);
        return -1;
      },
      left: () => 1,
    };
    const { caller, network, owner, outcomes } = scriptedCaller({}, { retry });
    const call = ending(caller.call("a", owner, { idempotent }));
    await settled();
    const [attempt] = network(0).sessions[0]!.attempts;
    attempt!.sent = sent;
    attempt!.fail(new UpstreamError(failure, "it ended", { sent, stale }));
    await settled();
    assert.deepEqual(told, [asked], JSON.stringify({ failure, idempotent, sent, stale }));
    // Its own name is kept for those who learn from it and those who see it.
    assert.deepEqual([call.value, outcomes[0]!.failure], [failure, failure]);
  }
});

Deno.test("UpstreamCaller does not hold the time that a request's own body takes against the upstream", async () => {
  const { caller, network, clock, outcomes, owner } = scriptedCaller(
    { timeouts: { attempt: "100ms", connect: "100ms", total: "200ms" } },
    { endpoints: 1 },
  );
  const call = ending(caller.call("a", owner, {}));
  await settled();
  const [attempt] = network(0).sessions[0]!.attempts;
  attempt!.awaitsBody = true;
  for (let i = 0; i < 100; i++) {
    clock.advance(50);
    caller.tick(clock.now());
  }
  attempt!.awaitsBody = false;
  clock.advance(99);
  caller.tick(clock.now());
  await settled();
  assert.deepEqual([call.value, outcomes.length], [undefined, 0]);
  clock.advance(1);
  caller.tick(clock.now());
  await settled();
  assert.deepEqual([call.value, outcomes[0]?.failure], ["timeout", "timeout"]);
});

Deno.test("UpstreamCaller does not count attempts on connections that were ending anyway, two at most", async () => {
  const counted: number[] = [];
  const retry = {
    deposit() {},
    next: (_failure: string, _status: number, attempts: number) => {
      counted.push(attempts);
      return attempts < 2 ? 0 : -1;
    },
    left: () => 1,
  };
  const { caller, network, owner } = scriptedCaller({}, { retry, endpoints: 4 });
  const call = ending(caller.call("a", owner, { idempotent: true }));
  for (let n = 0; n < 4; n++) {
    await settled();
    const sessions = [0, 1, 2, 3].flatMap((id) => network(id).sessions);
    const [attempt] = sessions.flatMap(({ attempts }) => attempts.splice(0));
    attempt!.fail(new UpstreamError("reset", "it ended", { sent: true, stale: true }));
  }
  await settled();
  assert.deepEqual([counted, call.value], [[0, 0, 1, 2], "reset"]);
});

Deno.test("UpstreamCaller goes to another endpoint when all connections of one are busy, and only then", async () => {
  for (const endpoints of [2, 1]) {
    const { caller, clock, pools, network, owner } = scriptedCaller(
      { pool: { connections: 1, warm: 0, wait: "20ms" } },
      { attempts: 2, endpoints },
    );
    // The first holds the only connection of the first endpoint; with two endpoints, the second that of the second.
    const calls = Array.from({ length: endpoints + 1 }, () => ending(caller.call("a", owner, {})));
    await settled();
    if (endpoints === 2) network(1).sessions[0]!.answer("200");
    await settled();
    clock.advance(300);
    for (const pool of pools.values()) pool.expire(clock.now());
    await settled();
    if (endpoints === 1) assert.equal(calls.at(-1)!.value, "full");
    else {
      assert.equal(network(1).sessions[0]!.attempts.length, 1);
      network(1).sessions[0]!.answer("200");
      await settled();
      assert.equal(calls.at(-1)!.value, "200");
    }
  }
});
