import assert from "node:assert/strict";
import { UpstreamError } from "../upstream_error.ts";
import type { Session } from "./contract.ts";
import type { Waiter } from "./session_pool.ts";
import { scriptedPool, settled } from "./testdata/scripted.ts";

class Waiting implements Waiter {
  waitUntil = 0;
  waiting = false;
  previousWaiter: Waiter | undefined;
  nextWaiter: Waiter | undefined;
  readonly alone: boolean;
  got: unknown;
  released = 0;

  constructor(alone = true) {
    this.alone = alone;
  }

  ready(session: Session<unknown, unknown>): void {
    this.got = session;
    session.start(
      { request: "", timeoutAt: 0, sent: false, succeed() {}, fail() {}, release: () => this.released++ },
    );
  }

  refuse(error: UpstreamError): void {
    this.got = error.failure;
  }
}

function ask(pool: ReturnType<typeof scriptedPool>["pool"], now: number, alone = true): Waiting {
  const waiter = new Waiting(alone);
  const found = pool.acquire(waiter, now);
  if (found instanceof UpstreamError) waiter.got = found.failure;
  else if (found) waiter.ready(found);
  return waiter;
}

Deno.test("SessionPool opens no more than its cap, and the next one waits, then times out as declared", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 2, warm: 0, wait: "100ms" } });
  const all = [1, 2, 3].map(() => ask(pool, clock.now()));
  await settled();
  assert.deepEqual([network.dials, pool.size, pool.waiters], [2, 2, 1]);
  clock.advance(99);
  pool.expire(clock.now());
  assert.equal(all[2]!.got, undefined);
  clock.advance(1);
  pool.expire(clock.now());
  assert.equal(all[2]!.got, "full");
});

Deno.test("SessionPool gives a session that got free to the one who waits longest", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 1, warm: 0 } });
  const [first, second, third] = [1, 2, 3].map(() => ask(pool, clock.now()));
  await settled();
  assert.ok(first!.got && !second!.got);
  network.sessions[0]!.answer("a");
  assert.ok(second!.got && !third!.got);
  network.sessions[0]!.answer("b");
  assert.equal(third!.got, network.sessions[0]);
  assert.equal(network.dials, 1);
});

Deno.test("SessionPool refuses at once when as many wait as may", async () => {
  const { pool, clock } = scriptedPool({ pool: { connections: 1, waiters: 1, warm: 0 } });
  ask(pool, clock.now());
  await settled();
  ask(pool, clock.now());
  assert.equal(ask(pool, clock.now()).got, "full");
});

Deno.test("SessionPool reuses the newest, so that the tail idles out and the oldest goes first", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 3, warm: 0, idle: "10s" } });
  [1, 2, 3].forEach(() => ask(pool, clock.now()));
  await settled();
  for (const session of network.sessions) session.answer("x");
  for (let i = 0; i < 12; i++) {
    clock.advance(1000);
    const one = ask(pool, clock.now());
    assert.equal(one.got, network.sessions[2]);
    network.sessions[2]!.answer("x");
    pool.tick(clock.now(), 0);
  }
  assert.deepEqual(network.sessions.map((one) => one.open), [false, false, true]);
  assert.equal(pool.size, 1);
});

Deno.test("SessionPool never hands out a session that was closed while it idled", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 2, warm: 0 } });
  ask(pool, clock.now());
  await settled();
  network.sessions[0]!.answer("x");
  network.sessions[0]!.close();
  const next = ask(pool, clock.now());
  await settled();
  assert.equal(next.got, network.sessions[1]);
});

Deno.test("SessionPool replaces sessions at their age, each a little earlier or later", async () => {
  const { pool, network, clock } = scriptedPool({
    pool: { connections: 50, warm: 0, age: "100s", idle: "1h" },
  });
  Array.from({ length: 50 }, () => ask(pool, clock.now()));
  await settled();
  network.sessions.forEach((one) => one.answer("x"));
  const alive = () => network.sessions.filter((one) => one.open).length;
  clock.advance(89_000);
  pool.tick(clock.now(), 0);
  assert.equal(alive(), 50);
  clock.advance(11_000);
  pool.tick(clock.now(), 0);
  assert.ok(alive() > 5 && alive() < 45, String(alive()));
  clock.advance(11_000);
  pool.tick(clock.now(), 0);
  assert.equal(alive(), 0);
});

Deno.test("SessionPool keeps `warm` open ahead and replaces them; after failures more and more slowly", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 4, warm: 2 } });
  pool.tick(clock.now(), 2);
  pool.tick(clock.now(), 2);
  await settled();
  assert.equal(pool.size, 2);
  network.fail = "refused";
  network.sessions[0]!.close();
  const before = network.dials;
  for (let i = 0; i < 100; i++) {
    clock.advance(100);
    pool.tick(clock.now(), 2);
    await settled();
  }
  const tries = network.dials - before;
  assert.ok(tries >= 4 && tries <= 8, String(tries));
});

Deno.test("SessionPool pings what idles, once per heartbeat", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { warm: 1, heartbeat: "5s", idle: "1h" } });
  pool.tick(clock.now(), 1);
  await settled();
  for (let i = 0; i < 11; i++) {
    clock.advance(1000);
    pool.tick(clock.now(), 1);
  }
  assert.equal(network.sessions[0]!.pings, 2);
});

Deno.test("SessionPool tells all who wait when nothing can be dialled, and again afterwards", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 1, warm: 0 } });
  network.fail = "refused";
  const waiting = [1, 2, 3].map(() => ask(pool, clock.now()));
  await settled();
  assert.deepEqual(waiting.map((one) => one.got), ["refused", "refused", "refused"]);
  network.fail = undefined;
  const next = ask(pool, clock.now());
  await settled();
  assert.equal(next.got, network.sessions[0]);
});

Deno.test("SessionPool calls it a failure of the endpoint when no connection comes in time", async () => {
  const { pool, network, clock } = scriptedPool({
    pool: { connections: 1, warm: 0, wait: "50ms" },
    timeouts: { connect: "250ms" },
  });
  network.hang = true;
  const first = ask(pool, clock.now());
  const second = ask(pool, clock.now());
  clock.advance(260);
  pool.expire(clock.now());
  assert.deepEqual([first.got, second.got], ["connect", "connect"]);
  network.release();
  await settled();
  assert.equal(pool.idle, 1);
});

Deno.test("SessionPool that is closed ends idle sessions now, and those in use when they are through", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 2, warm: 0 } });
  ask(pool, clock.now());
  ask(pool, clock.now());
  await settled();
  network.sessions[0]!.answer("x");
  pool.close();
  assert.deepEqual(network.sessions.map((one) => one.open), [false, false]);
  assert.equal(ask(pool, clock.now()).got, "unavailable");
  assert.equal(pool.size, 1);
  network.sessions[1]!.answer("x");
  assert.equal(pool.size, 0);
});

Deno.test("SessionPool fills one session before it opens another where the protocol multiplexes", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 2, warm: 0 } }, {
    capacity: 3,
    fill: true,
  });
  ask(pool, clock.now(), false);
  await settled();
  const more = [1, 2].map(() => ask(pool, clock.now(), false));
  assert.deepEqual(more.map((one) => one.got), [network.sessions[0], network.sessions[0]]);
  assert.equal(network.dials, 1);
  ask(pool, clock.now(), false);
  await settled();
  assert.equal(network.dials, 2);
});

Deno.test("SessionPool opens no more sessions for those who wait than they fill", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 8, warm: 0 } }, {
    capacity: 3,
    fill: true,
  });
  const waiting = [1, 2, 3].map(() => ask(pool, clock.now()));
  assert.equal(network.dials, 1);
  waiting.push(ask(pool, clock.now()));
  assert.equal(network.dials, 2);
  await settled();
  assert.equal(pool.size, 2);
  assert.ok(waiting.every(({ got }) => got));
});

Deno.test("SessionPool puts a request that stands alone behind no other", async () => {
  const { pool, network, clock } = scriptedPool({ pool: { connections: 1, warm: 0 } }, { capacity: 4 });
  ask(pool, clock.now(), false);
  await settled();
  const behind = ask(pool, clock.now(), false);
  assert.equal(behind.got, network.sessions[0]);
  const alone = ask(pool, clock.now(), true);
  assert.equal(alone.got, undefined);
  network.sessions[0]!.answer("a");
  assert.equal(alone.got, undefined);
  network.sessions[0]!.answer("b");
  assert.equal(alone.got, network.sessions[0]);
});
