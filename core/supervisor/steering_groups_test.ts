import assert from "node:assert/strict";
import fc from "fast-check";
import { SteeringGroups } from "./steering_groups.ts";

Deno.test("SteeringGroups gives a leaving member's place to the last one, as the kernel does", () => {
  const groups = new SteeringGroups();
  for (const member of [1, 2, 3]) groups.join(member, ["a:1"]);
  groups.leave(1);
  assert.deepEqual(groups.places(3), { "a:1": { self: 0, size: 2 } });
  assert.deepEqual(groups.places(2), { "a:1": { self: 1, size: 2 } });
  groups.leave(2);
  assert.deepEqual(groups.places(3), {}, "a member that is alone cannot be steered away from");
});

Deno.test("SteeringGroups keeps a group per address", () => {
  const groups = new SteeringGroups();
  groups.join(1, ["a:1"]);
  groups.join(2, ["a:1", "b:1"]);
  groups.join(3, ["b:1", "a:1"]);
  assert.deepEqual(groups.places(3), { "a:1": { self: 2, size: 3 }, "b:1": { self: 1, size: 2 } });
});

Deno.test("SteeringGroups always numbers its members without gaps", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(8)), { maxLength: 60 }), (steps) => {
    const groups = new SteeringGroups();
    const members = new Set<number>();
    for (const [joins, member] of steps) {
      if (joins) groups.join(member, ["a:1"]);
      else assert.equal(groups.leave(member), members.has(member));
      if (joins) members.add(member);
      else members.delete(member);
      const places = [...members].map((each) => groups.places(each)["a:1"]?.self).sort();
      if (members.size > 1) assert.deepEqual(places, [...members.keys()].map((_, index) => index));
    }
  }));
});
