import assert from "node:assert/strict";
import fc from "fast-check";
import { localStatsMemory } from "../stats/mod.ts";
import { leasePeriodMs, LocalLease, SharedLease } from "./loop_lease.ts";

/** Processes that share one block and may die; time is theirs. */
function host() {
  const block = localStatsMemory(1).shared.block("loop.beat");
  const living = new Set<number>();
  let now = 1000;
  return {
    block,
    living,
    join(pid: number, generation = 1, start = pid * 10): SharedLease {
      living.add(pid);
      const alive = (asked: number) => living.has(asked);
      return new SharedLease(block, { pid, start, generation, hangMs: 2000, alive });
    },
    /** All of `leases` look, in turn, once. */
    look(...leases: SharedLease[]): string[] {
      now += leasePeriodMs;
      return leases.map((lease) => lease.look(now, true));
    },
  };
}

Deno.test("look() gives the lease to one, which keeps it as long as it looks", () => {
  const { join, look } = host();
  const [a, b] = [join(1), join(2)];
  assert.deepEqual(look(a, b), ["taken", "kept"]);
  for (let n = 0; n < 20; n++) look(a, b);
  assert.deepEqual([a.held, b.held], [true, false]);
});

Deno.test("look() takes the lease of a process that died once its heart stands still", () => {
  const { join, look, living } = host();
  const [a, b] = [join(1), join(2)];
  look(a, b);
  look(a, b);
  living.delete(1);
  assert.deepEqual(look(b), ["taken"]);
});

Deno.test("look() takes the lease of one that hangs after hangMs, and tells it when it wakes", () => {
  const { join, look } = host();
  const [a, b] = [join(1), join(2)];
  look(a, b);
  look(a, b);
  let looks = 1;
  while (look(b)[0] !== "taken") looks++;
  assert.equal(looks, 2000 / leasePeriodMs);
  assert.equal(a.held, false, "asked before each run");
  assert.deepEqual(look(a), ["lost"]);
  assert.deepEqual(look(a, b), ["kept", "kept"]);
});

Deno.test("look() counts no silence of others while this process slept", () => {
  const { join, look, block } = host();
  const [a, b] = [join(1), join(2)];
  look(a, b);
  look(a, b);
  assert.equal(b.look(1e9, true), "kept");
  assert.equal(b.look(1e9 + 1e6, true), "kept");
  assert.equal(block[0]!.load(), 1);
});

Deno.test("look() does not take a lease while it may not", () => {
  const { join } = host();
  const a = join(1);
  assert.equal(a.look(0, false), "kept");
  assert.equal(a.held, false);
});

Deno.test("release() leaves the lease to the next that looks", () => {
  const { join, look } = host();
  const [a, b] = [join(1), join(2)];
  look(a, b);
  a.release();
  assert.equal(a.held, false);
  assert.deepEqual(look(b), ["taken"]);
  a.release();
  assert.equal(b.held, true, "who holds nothing gives nothing back");
});

Deno.test("look() of a newer generation asks, the older ones stand back once it is given up", () => {
  const { join, look } = host();
  const [a, b, c] = [join(1, 1), join(2, 1), join(3, 2)];
  look(a, b, c);
  assert.equal(a.wanted, true);
  a.release();
  assert.deepEqual(look(a, b, c), ["kept", "kept", "taken"]);
  assert.equal(c.wanted, false);
});

Deno.test("look() of an older generation takes the lease again when the newer one never comes", () => {
  const { join, look, living } = host();
  const [a, c] = [join(1, 1), join(3, 2)];
  look(a, c);
  living.delete(3);
  a.release();
  let looks = 0;
  while (look(a)[0] !== "taken") assert.ok(++looks < 20);
  assert.equal(a.wanted, false);
});

Deno.test("look() takes the lease of a process that had the same pid", () => {
  const { join, look } = host();
  look(join(7));
  const again = join(7, 1, 99);
  assert.deepEqual([...look(again), ...look(again)], ["kept", "taken"]);
});

Deno.test("started() tells when the last run began to whoever comes next", () => {
  const { join, look } = host();
  const [a, b] = [join(1), join(2)];
  look(a, b);
  assert.equal(b.lastStart, 0);
  a.started(1_795_000_000_123.7);
  assert.equal(b.lastStart, 1_795_000_000_123);
});

Deno.test("SharedLease has never two holders, whoever looks, dies, and gives it back, and is never lost", () => {
  const step = fc.record({ who: fc.nat(3), what: fc.constantFrom("look", "look", "look", "die", "release") });
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
    const { join, look, living } = host();
    let pid = 0;
    const leases = Array.from({ length: 4 }, () => ({ pid: ++pid, lease: join(pid) }));
    for (const { who, what } of steps) {
      const one = leases[who]!;
      if (what === "look") { for (const { lease } of leases) look(lease); }
      else if (what === "release") one.lease.release();
      else {
        living.delete(one.pid);
        leases[who] = { pid: ++pid, lease: join(pid) };
      }
      assert.ok(leases.filter(({ lease }) => lease.held).length <= 1);
    }
    for (let n = 0; n < 3; n++) look(...leases.map(({ lease }) => lease));
    assert.equal(leases.filter(({ lease }) => lease.held).length, 1);
  }));
});

Deno.test("LocalLease is worker 1's, after its wait", () => {
  const one = new LocalLease(1, 0, 1000);
  assert.deepEqual([one.look(999, true), one.held], ["kept", false]);
  assert.deepEqual([one.look(1000, true), one.held], ["taken", true]);
  const two = new LocalLease(2, 0, 0);
  assert.deepEqual([two.look(9999, true), two.held], ["kept", false]);
});
