import assert from "node:assert/strict";
import { Scope } from "./scope.ts";

Deno.test("Scope.close() undoes in reverse order, one after the other", async () => {
  const scope = new Scope("test");
  const undone: string[] = [];
  scope.defer(() => void undone.push("first"));
  scope.defer(async () => {
    await Promise.resolve();
    undone.push("second");
  });
  scope.defer(() => void undone.push("third"));
  await scope.close();
  assert.deepEqual(undone, ["third", "second", "first"]);
});

Deno.test("Scope.close() undoes everything once, however often it is called", async () => {
  const scope = new Scope("test");
  let undone = 0;
  scope.defer(() => void undone++);
  const first = scope.close();
  assert.equal(scope.close(), first);
  await first;
  await scope[Symbol.asyncDispose]();
  assert.equal(undone, 1);
  assert.equal(scope.closed, true);
});

Deno.test("Scope.close() goes on after a failure and reports all of them", async () => {
  const scope = new Scope("test");
  const undone: number[] = [];
  scope.defer(() => void undone.push(1));
  scope.defer(() => {
    throw new Error("one");
  });
  scope.defer(() => Promise.reject(new Error("two")));
  await assert.rejects(scope.close(), (error: AggregateError) => {
    assert.equal(error.message, 'Cannot close scope "test" cleanly');
    assert.deepEqual(error.errors.map(({ message }) => message), ["two", "one"]);
    return true;
  });
  assert.deepEqual(undone, [1]);
});

Deno.test("Scope.child() closes with its parent, or before it", async () => {
  const parent = new Scope("a");
  const undone: string[] = [];
  const child = parent.child("b");
  const early = parent.child("c");
  assert.equal(child.name, "a.b");
  child.defer(() => void undone.push("b"));
  early.defer(() => void undone.push("c"));
  await early.close();
  assert.deepEqual(undone, ["c"]);
  await parent.close();
  assert.deepEqual(undone, ["c", "b"]);
});

Deno.test("Scope.defer() throws TypeError when the scope is closing", async () => {
  const scope = new Scope("test");
  scope.defer(() => {
    assert.throws(() => scope.defer(() => {}), TypeError);
  });
  await scope.close();
  assert.throws(() => scope.defer(() => {}), /Cannot add to scope "test": it is closing/);
});
