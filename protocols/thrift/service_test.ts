import assert from "node:assert/strict";
import { run } from "../../mod.ts";
import { callOnce, type SingleCall } from "./call_once.ts";
import { waiting } from "./testdata/handler.ts";

const here = new URL("testdata/", import.meta.url).pathname;
const idl = `${here}everything.thrift`;
const quiet = { logs: { level: "fatal" as const }, meta: false as const };
const listener = {
  protocol: "thrift",
  listen: "127.0.0.1:0",
  idl,
  service: "Test",
  handler: `${here}handler.ts`,
};

async function start(manifest: Record<string, unknown>) {
  const service = await run({ service: "thrift-test", ...quiet, ...manifest }, { inProcess: true });
  await service.ready;
  return service;
}

function ask(
  address: string,
  method: string,
  args: Record<string, unknown> = {},
  more: Partial<SingleCall> = {},
) {
  return callOnce({
    address,
    idl,
    method,
    args,
    service: undefined,
    transport: "buffered",
    protocol: "binary",
    timeoutMs: 5000,
    tracking: false,
    ...more,
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const limit = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > limit) throw new Error(`${what}: not within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const failed = (message: string) => ({
  kind: "thrown",
  name: "TApplicationException",
  fields: { type: "internalError", message },
});

Deno.test("thrift runs handlers on a pool's threads", async () => {
  await using service = await start({
    listeners: { rpc: { ...listener, run: "crunch" } },
    pools: { crunch: { kind: "cpu", threads: 1 } },
  });
  const address = service.addresses.rpc![0]!;
  for (
    const how of [{}, { transport: "framed", protocol: "compact" }, { tracking: true }, {
      protocol: "compact",
      tracking: true,
    }] as const
  ) {
    const tried = (method: string, args: Record<string, unknown>) => ask(address, method, args, how);
    assert.deepEqual(await tried("hello", { name: "bob" }), { kind: "reply", value: "hi bob" });
    assert.deepEqual(await tried("fail", { how: "refused" }), {
      kind: "thrown",
      name: "Refused",
      fields: { why: "so", code: 7 },
    });
    assert.deepEqual(await tried("fail", { how: "boom" }), failed("handler_error: the handler failed"));
    assert.deepEqual(await tried("shout", { text: "loud" }), { kind: "reply", value: undefined });
    assert.deepEqual(await tried("heard", {}), { kind: "reply", value: "loud" });
  }
});

Deno.test("thrift refuses through the kernel: deadline, admission", async () => {
  await using service = await start({
    listeners: { rpc: { ...listener, deadline: "100ms", admit: { concurrency: 1, queue: 0 } } },
    workers: { drain: "500ms" },
  });
  const address = service.addresses.rpc![0]!;
  const late = ask(address, "wait", { ms: 400 });
  await until("a call waits", () => waiting.count > 0);
  assert.deepEqual(await ask(address, "ping"), failed("queue_full: as many requests run and wait as may"));
  assert.deepEqual(await late, failed("deadline: the deadline passed"));
});

Deno.test("thrift closes idle connections between calls when the worker stops, and delivers what is in flight", async () => {
  const service = await start({ listeners: { rpc: listener } });
  const address = service.addresses.rpc![0]!;
  const [hostname, port] = address.split(":");
  const idle = await Deno.connect({ hostname, port: Number(port) });
  const ended = new Response(idle.readable).bytes();
  const inFlight = ask(address, "wait", { ms: 300 });
  const calls = await ask(address, "hello", { name: "bob" });
  assert.equal(calls.kind, "reply");
  await until("a call waits", () => waiting.count > 0);
  const stopping = service.stop();
  assert.equal((await ended).length, 0);
  assert.deepEqual(await inFlight, { kind: "reply", value: "300" });
  await stopping;
});

Deno.test("id, place in the tree, meta and trace go from HTTP through Thrift to HTTP", async () => {
  await using leaf = await start({
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", handler: `${here}tree.ts#leaf` } },
  });
  await using rpc = await start({
    listeners: { rpc: { ...listener, handler: `${here}tree.ts#rpc` } },
    upstreams: { leaf: { protocol: "http", discover: { static: [leaf.addresses.web![0]] } } },
  });
  await using web = await start({
    service: "front",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", handler: `${here}tree.ts#web` } },
    upstreams: {
      rpc: { protocol: "thrift", thrift: { idl }, discover: { static: [rpc.addresses.rpc![0]] } },
    },
  });
  const headers = {
    "x-request-id": "id-7",
    "x-rpc-id": "2.1",
    baggage: "tenant=seven%20of%20nine",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  const reply = await (await fetch(`http://${web.addresses.web![0]}/`, { headers })).json();
  const meta = { tenant: "seven of nine" };
  assert.deepEqual(JSON.parse(reply.rpc), { id: "id-7", rpcId: "2.1.1", client: "front", meta });
  const spans = new Set<string>(["b7ad6b7169203331"]);
  for (const [name, rpcId] of [["first", "2.1.1.1"], ["second", "2.1.1.2"]] as const) {
    const { traceparent, ...told } = JSON.parse(reply[name]);
    assert.deepEqual(told, { id: "id-7", rpcId, client: "thrift-test", meta });
    assert.match(traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    spans.add(traceparent.split("-")[2]);
  }
  assert.equal(spans.size, 3, "every call is a span of its own");
  // Without a trace the id is one, also behind Thrift.
  const other = await (await fetch(`http://${web.addresses.web![0]}/`, { headers: { "x-request-id": "x" } }))
    .json();
  const ids = [other.first, other.second].map((text) => JSON.parse(text).traceparent.split("-")[1]);
  assert.equal(ids[0], ids[1]);
});

Deno.test("a breaker per method opens for the method that fails, and an upstream that is gone has a fallback", async () => {
  await using rpc = await start({ listeners: { rpc: listener } });
  const address = rpc.addresses.rpc![0];
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = gone.addr as Deno.NetAddr;
  gone.close();
  await using web = await start({
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", handler: `${here}tree.ts#web` } },
    upstreams: {
      rpc: {
        protocol: "thrift",
        thrift: { idl, transport: "framed" },
        discover: { static: [`127.0.0.1:${port}`] },
        fallback: "other",
      },
      // What was encoded for the one is encoded anew for the other.
      other: {
        protocol: "thrift",
        thrift: { idl, protocol: "compact" },
        discover: { static: [address] },
        breaker: { per: "method", minimum: 5, open: "60s" },
        health: { eject: false },
      },
    },
  });
  const call = async (method: string, args: unknown) => {
    const query = new URLSearchParams({ method, args: JSON.stringify(args) });
    return await (await fetch(`http://${web.addresses.web![0]}/?${query}`)).json();
  };
  assert.equal(await call("hello", { name: "bob" }), "hi bob");
  const seen = new Set<string>();
  for (let n = 0; n < 20; n++) {
    const { kind, failure } = await call("fail", { how: "boom" });
    seen.add(kind ?? failure);
  }
  assert.deepEqual([...seen], ["internalError", "breaker"]);
  assert.equal(await call("hello", { name: "bob" }), "hi bob");
});

Deno.test("access rules know the client by the name of its handshake, and HTTP clients by their header", async () => {
  const access = { allow: ["client:front", "127.0.0.2"], deny: ["client:batch"] };
  await using rpc = await start({ listeners: { rpc: { ...listener, access } } });
  const web = (service: string) =>
    start({
      service,
      listeners: { web: { protocol: "http", listen: "127.0.0.1:0", access, handler: `${here}tree.ts#web` } },
      upstreams: {
        rpc: { protocol: "thrift", thrift: { idl }, discover: { static: [rpc.addresses.rpc![0]] } },
      },
    });
  const query = new URLSearchParams({ method: "hello", args: JSON.stringify({ name: "bob" }) });
  const reply = async (service: string, client: string) => {
    await using front = await web(service);
    const url = `http://${front.addresses.web![0]}/?${query}`;
    const answer = await fetch(url, { headers: client === "" ? {} : { "x-client-name": client } });
    const text = await answer.text();
    return `${answer.status} ${answer.headers.get("x-weir-reason")} ${answer.status === 403 ? "" : text}`
      .trim();
  };
  assert.equal(await reply("front", "front"), '200 null "hi bob"');
  assert.equal(await reply("front", ""), "403 forbidden");
  assert.equal(await reply("front", "batch"), "403 forbidden");
  // Let in by HTTP, but nobody that the Thrift service knows.
  assert.match(await reply("stranger", "front"), /^500 null .*access is denied/);
});
