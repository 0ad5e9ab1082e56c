/** What the ring is for: the same key to the same endpoint, few keys that move, loads that are bounded. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint } from "../../core/endpoint.ts";
import { Scope } from "../../core/scope.ts";
import type { Selector } from "../../core/upstream/contract.ts";
import { rehash } from "./hash.ts";
import type { Member } from "./member.ts";
import { makeSelector } from "./mod.ts";
import { RingPoints } from "./ring_points.ts";
import { answers, endpointOf, shareOf, testHost, World } from "./testdata/world.ts";

const balance = { ringHash: { key: "client" } };

function selectorOf(endpoints: readonly Endpoint[], seed = 1): Selector {
  const selector = makeSelector(testHost({ balance, seed, health: { panic: 0 } }), new Scope("test"));
  selector.update(endpoints, [], []);
  return selector;
}

const keys = Array.from({ length: 5000 }, (_, i) => `user ${i}`);

/** Where each key goes while nothing is in flight. A tick lets go of what was picked and never sent. */
function owners(selector: Selector): (Endpoint | undefined)[] {
  return keys.map((key) => {
    selector.tick(0);
    return selector.pick({ role: null, key, tried: [] }, 0);
  });
}

function many(n: number): Endpoint[] {
  return Array.from({ length: n }, () => endpointOf());
}

Deno.test("ringHash sends a key to the same endpoint in every worker, in whatever order endpoints came", () => {
  const endpoints = many(10);
  const one = owners(selectorOf(endpoints, 1));
  const other = selectorOf(endpoints.slice(5).reverse(), 2);
  const gone = many(3);
  other.update(gone, [], []);
  other.update(endpoints.slice(0, 5), [], []);
  other.update([], gone, []);
  assert.deepEqual(owners(other), one);
});

Deno.test("ringHash moves about a tenth of the keys to one that joins ten, and none between the others", () => {
  const endpoints = many(10);
  const selector = selectorOf(endpoints);
  const before = owners(selector);
  const fresh = endpointOf();
  selector.update([fresh], [], []);
  const after = owners(selector);
  let moved = 0;
  after.forEach((owner, i) => {
    if (owner === before[i]) return;
    assert.equal(owner, fresh);
    moved++;
  });
  const share = moved / keys.length;
  assert.ok(share > 0.075 && share < 0.11, `${share}`);
});

Deno.test("ringHash hands over only the keys of one that goes out of use, evenly, and gives them back", () => {
  const endpoints = many(10);
  const selector = selectorOf(endpoints);
  const before = owners(selector);
  const out = endpoints[3]!;
  out.healthy = false;
  out.why = "ejected";
  selector.healthChanged(out);
  const heirs = new Map<Endpoint, number>();
  owners(selector).forEach((owner, i) => {
    if (before[i] !== out) assert.equal(owner, before[i]);
    else heirs.set(owner!, (heirs.get(owner!) ?? 0) + 1);
  });
  const most = Math.max(...heirs.values()) / before.filter((owner) => owner === out).length;
  assert.ok(heirs.size === 9 && most < 0.25, `${heirs.size} heirs, ${most} to one`);
  out.healthy = true;
  out.why = "";
  selector.healthChanged(out);
  assert.deepEqual(owners(selector), before);
});

Deno.test("ringHash gives one in slow start its keys bit by bit, and each of them once", () => {
  const endpoints = many(4);
  const host = testHost({ balance });
  const selector = makeSelector(host, new Scope("test"));
  selector.update(endpoints, [], []);
  const fresh = endpointOf();
  fresh.since = 0;
  selector.update([fresh], [], []);
  const had = new Set<string>();
  let last = 0;
  for (const now of [0, 2500, 5000, 7500, 10_000]) {
    const has = keys.filter((key) => {
      selector.tick(now);
      return selector.pick({ role: null, key, tried: [] }, now) === fresh;
    });
    assert.ok(has.length > last);
    last = has.length;
    for (const key of had) assert.ok(has.includes(key));
    for (const key of has) had.add(key);
  }
});

for (const concurrency of [10, 100, 1000]) {
  Deno.test(`ringHash keeps the owner of a hot key at 1.25 times the mean of ${concurrency} in flight`, () => {
    const endpoints = many(10);
    const selector = selectorOf(endpoints);
    const picking = { role: null, key: "hot", tried: [] };
    const owner = selector.pick(picking, 0);
    selector.tick(0);
    for (let i = 0; i < concurrency; i++) selector.pick(picking, 0)!.inflight++;
    const most = Math.max(2, Math.ceil(1.25 * concurrency / 10));
    for (const endpoint of endpoints) assert.ok(endpoint.inflight <= most, `${endpoint.inflight} of ${most}`);
    assert.equal(owner!.inflight, most);
  });
}

Deno.test("ringHash spreads half of all calls, which have one key, and still bounds what is in flight", () => {
  const host = testHost({ balance });
  const world = new World(host, makeSelector(host, new Scope("test")));
  const endpoints = many(10);
  let calls = 0;
  world.key = () => ++calls % 2 ? "hot" : `user ${calls}`;
  world.add(endpoints, answers(50));
  world.run(2000, 2000);
  const told = world.run(20_000, 2000);
  const most = Math.max(...endpoints.map((endpoint) => shareOf(told, endpoint)));
  assert.ok(most <= 0.125 + 0.01, `${most}`);
});

Deno.test("RingPoints.after() finds the next point, whatever was in the ring before", () => {
  const hashes = fc.uniqueArray(fc.nat(2 ** 32 - 1), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(hashes, fc.array(fc.nat(2 ** 32 - 1), { maxLength: 50 }), (given, places) => {
    const members = given.map((hash) => ({ hash, endpoint: { spec: { weight: 1 } } })) as Member[];
    const ring = new RingPoints();
    ring.rebuild(members.slice(0, 1), members);
    ring.rebuild(members, members);
    const all = given.flatMap((hash) =>
      Array.from({ length: 32 }, (_, i) => ({ hash, at: rehash(hash, i + 1) }))
    );
    all.sort((a, b) => a.at - b.at || a.hash - b.hash);
    for (const place of [0, 2 ** 32 - 1, ...places, ...places.map((_, i) => all[i % all.length]!.at)]) {
      const due = all.find(({ at }) => at >= place) ?? all[0]!;
      const found = ring.after(place);
      assert.deepEqual({ hash: members[ring.owner(found)]!.hash, at: ring.distance(0, found) }, due);
    }
  }));
});
