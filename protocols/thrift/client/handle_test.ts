import assert from "node:assert/strict";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { ManualClock, silent } from "../../../core/upstream/testdata/scripted.ts";
import type { ThriftCall } from "./call.ts";
import { thriftUpstream } from "./mod.ts";
import { thriftPlan } from "./testdata/scripted_server.ts";

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function handleOf(context: Partial<HandleContext> = {}) {
  const calls: Array<[ThriftCall, CallOptions]> = [];
  const caller: Caller<ThriftCall, unknown> = {
    name: "split",
    plan: thriftPlan(),
    clock: new ManualClock(),
    log: silent,
    call(request, _owner, options) {
      calls.push([request, options]);
      return Promise.resolve("reply");
    },
  };
  let number = 0;
  const owner = {
    deadlineAt: Infinity,
    abandoned: false,
    requestId: "id",
    nextRpcId: () => `1.${++number}`,
    ...context,
  };
  return { handle: thriftUpstream.handle(caller, owner), calls };
}

Deno.test("ThriftHandle.call() goes by method, says what may be sent twice, and numbers its calls", async () => {
  const { handle, calls } = handleOf({ requestMeta: { tenant: "seven" } });
  assert.equal(await handle.call("hello", { name: "bob" }), "reply");
  await handle.role("replica").call("ping", {}, { idempotent: true, timeoutMs: 5, key: "k" });
  assert.deepEqual(calls.map(([, options]) => options), [
    { method: "hello", idempotent: false },
    { method: "ping", idempotent: true, timeoutMs: 5, key: "k", role: "replica" },
  ]);
  assert.deepEqual(calls.map(([{ id, rpcId, meta }]) => [id, rpcId, meta]), [
    ["id", "1.1", { tenant: "seven" }],
    ["id", "1.2", { tenant: "seven" }],
  ]);
});

Deno.test("ThriftHandle.call() passes the trace on, as a child of it", () => {
  const { handle, calls } = handleOf({ requestMeta: { tenant: "seven" }, trace });
  handle.call("ping");
  const { traceparent, ...meta } = calls[0]![0].meta!;
  assert.deepEqual(meta, { tenant: "seven" });
  assert.match(traceparent!, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.notEqual(traceparent, trace);
});

Deno.test("ThriftHandle refuses what the IDL does not allow, and what other protocols do", () => {
  const { handle, calls } = handleOf();
  assert.throws(
    () => handle.call("helo"),
    /Cannot call helo of upstream split: More has no such method; did you mean hello\?/,
  );
  assert.throws(
    () => handle.call("hello", { name: 5 }),
    /Cannot call hello of upstream split: name: must be a string, not 5/,
  );
  assert.throws(() => handle.call("hello", { nam: "x" }), /nam: there is no such argument/);
  assert.throws(
    () => handle.call("echo", { value: { inner: { children: [] } } }),
    /value\.inner\.name: is required/,
  );
  assert.throws(() => handle.fetch("/"), /Cannot fetch on upstream split: it speaks thrift/);
  assert.equal(calls.length, 0);
});

Deno.test("thriftUpstream.pipeline() finds an IDL that is wrong at the start", () => {
  assert.equal(thriftUpstream.pipeline(thriftPlan()), 64);
  assert.throws(
    () => thriftUpstream.pipeline(thriftPlan({ service: "Mroe" })),
    /there is no service `Mroe`; did you mean `More`\?/,
  );
  assert.throws(
    () => thriftUpstream.probe(thriftPlan({ ping: "shout" })),
    /Cannot ping: More has no method shout that answers/,
  );
  assert.throws(() => thriftUpstream.probe(thriftPlan({ ping: "nobody2" })), TypeError);
});
