import assert from "node:assert/strict";
import { captureStacks } from "./capture_stacks.ts";
import { childStatus } from "./testdata/fake_supervisor.ts";

Deno.test("captureStacks() says for each process why it has no stack, and waits for none", async () => {
  const children = [
    childStatus({ id: 1, inspector: "" }),
    childStatus({ id: 2, inspector: "ws://frames" }),
    childStatus({ id: 3, inspector: "ws://fails" }),
    childStatus({ id: 4, inspector: "ws://never" }),
    childStatus({ id: 5, inspector: "ws://idle" }),
    childStatus({ id: 6, state: "exited", inspector: "ws://frames" }),
  ];
  const frame = { function: "f", file: "file:///a.ts", line: 1, column: 1 };
  const began = performance.now();
  const stacks = await captureStacks(children, (inspector) => {
    if (inspector === "ws://frames") return Promise.resolve({ frames: [frame] });
    if (inspector === "ws://idle") return Promise.resolve({ frames: [] });
    if (inspector === "ws://fails") return Promise.reject(new Error("refused"));
    return new Promise(() => {});
  });
  assert.ok(performance.now() - began < 1_000);
  assert.deepEqual(stacks.map((stack) => stack.id), [1, 2, 3, 4, 5]);
  assert.deepEqual(stacks[1]!.frames, [frame]);
  assert.deepEqual(stacks.map((stack) => stack.missing), [
    "no inspector",
    "",
    "refused",
    "no answer within 300 ms",
    "idle: no JavaScript runs",
  ]);
});
