import assert from "node:assert/strict";
import fc from "fast-check";
import { endpointKey, type EndpointSpec } from "../endpoint.ts";
import { diffEndpoints, isNoChange } from "./endpoint_feed_diff.ts";
import { applyChange } from "./testdata/apply_change.ts";

const spec = fc.record({
  address: fc.integer({ min: 1, max: 12 }).map((number) => `10.0.0.${number}:80`),
  weight: fc.constantFrom(1, 2),
  role: fc.constantFrom(null, "replica"),
  priority: fc.constantFrom(0, 1),
}, { noNullPrototype: true }) as fc.Arbitrary<EndpointSpec>;

Deno.test("diffEndpoints() says exactly what leads from one set to the next", () => {
  fc.assert(fc.property(fc.array(fc.array(spec, { maxLength: 20 }), { maxLength: 8 }), (sets) => {
    const followed = new Map<string, EndpointSpec>();
    let before: ReadonlyMap<string, EndpointSpec> = new Map();
    for (const set of sets) {
      const { change, after } = diffEndpoints(before, set);
      applyChange(followed, change);
      const first = new Map<string, EndpointSpec>();
      for (const one of set) if (!first.has(endpointKey(one))) first.set(endpointKey(one), one);
      assert.deepEqual(followed, first);
      assert.deepEqual(after, first);
      assert.ok(isNoChange(diffEndpoints(after, set).change));
      before = after;
    }
  }));
});
