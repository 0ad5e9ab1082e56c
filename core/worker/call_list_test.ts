import assert from "node:assert/strict";
import fc from "fast-check";
import type { RequestCall } from "./call.ts";
import { CallList } from "./call_list.ts";

const call = () => ({ previous: undefined, next: undefined }) as unknown as RequestCall;

function walked(list: CallList): RequestCall[] {
  const calls: RequestCall[] = [];
  for (let at = list.head; at; at = at.next) calls.push(at);
  return calls;
}

Deno.test("CallList is the list of what was pushed and not removed, in order", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: -8, max: 8 }), { maxLength: 80 }), (steps) => {
    const list = new CallList();
    const model: RequestCall[] = [];
    for (const step of steps) {
      if (step >= 0) {
        const added = call();
        list.push(added);
        model.push(added);
      } else {
        const at = (-step) % Math.max(1, model.length);
        const [removed] = model.splice(at, 1);
        if (removed) list.remove(removed);
      }
      assert.deepEqual([list.size, list.head], [model.length, model[0]]);
      assert.deepEqual(walked(list), model);
    }
  }));
});

Deno.test("CallList.remove() does nothing to a call that is in no list", () => {
  const list = new CallList();
  const inside = call();
  list.push(inside);
  list.remove(call());
  list.remove(inside);
  list.remove(inside);
  assert.equal(list.size, 0);
  list.push(inside);
  assert.deepEqual(walked(list), [inside]);
});
