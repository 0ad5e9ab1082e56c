import assert from "node:assert/strict";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { ManualClock, planOf, silent } from "../../../core/upstream/testdata/scripted.ts";
import { framesUpstream } from "./mod.ts";

const context: HandleContext = {
  deadlineAt: Infinity,
  abandoned: false,
  requestId: "1",
  nextRpcId: () => "1.1",
};

function handleOf(keys: Record<string, unknown>) {
  const calls: Array<[Uint8Array, CallOptions]> = [];
  const caller: Caller<Uint8Array, Uint8Array> = {
    name: "orders",
    plan: planOf({ protocol: "frames", framing: { delimiter: "\n", max: "8B" }, ...keys }),
    clock: new ManualClock(),
    log: silent,
    call(request, _owner, options) {
      calls.push([request, options]);
      return Promise.resolve(request);
    },
  };
  return { handle: framesUpstream.handle(caller, context), calls };
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("FramesHandle.request() says what may be sent twice, and where to", async () => {
  const { handle, calls } = handleOf({});
  assert.deepEqual(await handle.request(bytes("abc")), bytes("abc"));
  await handle.role("replica").request(bytes("abc"), { idempotent: true, timeoutMs: 5, key: "k" });
  assert.deepEqual(calls.map(([, options]) => options), [
    { method: "request", idempotent: false },
    { method: "request", idempotent: true, timeoutMs: 5, key: "k", role: "replica" },
  ]);
});

Deno.test("FramesHandle refuses what its upstream does not speak", async () => {
  const { handle } = handleOf({});
  await assert.rejects(handle.send(bytes("x")), /its pattern is requestReply, use request\(\)/);
  assert.throws(() => handle.fetch("/"), /Cannot fetch on upstream orders: it speaks frames/);
  const { handle: oneWay, calls } = handleOf({ pattern: "oneWay" });
  assert.throws(() => oneWay.request(bytes("x")), /use send\(\)/);
  assert.equal(await oneWay.send(bytes("x")), undefined);
  assert.deepEqual(calls[0][1], { method: "send", idempotent: false });
});

Deno.test("FramesHandle refuses frames that do not fit the framing", () => {
  const { handle, calls } = handleOf({});
  assert.throws(() => handle.request(bytes("123456789")), /9 bytes; at most 8/);
  assert.throws(() => handle.request(bytes("a\nb")), RangeError);
  assert.throws(() => handle.request("text" as never), TypeError);
  assert.equal(calls.length, 0);
});

Deno.test("framesUpstream.probe() sends what is declared, and refuses what does not fit the framing", () => {
  const plan = (keys: Record<string, unknown>) =>
    planOf({ protocol: "frames", framing: { delimiter: "\n", max: "8B" }, ...keys });
  assert.deepEqual(
    framesUpstream.probe(plan({ health: { probe: { send: "hello" } } })).request,
    bytes("hello"),
  );
  assert.equal(framesUpstream.probe(plan({ health: { probe: {} } })).request.length, 0);
  assert.throws(
    () => framesUpstream.probe(plan({ health: { probe: { send: "a\nb" } } })),
    /does not fit the framing/,
  );
  assert.throws(() => framesUpstream.probe(plan({ health: { probe: { send: "123456789" } } })), TypeError);
});
