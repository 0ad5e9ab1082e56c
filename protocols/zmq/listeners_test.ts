/** Every kind of listener against peers that this project did not write. */
import assert from "node:assert/strict";
import { openGate, type Seen, seen, waiting } from "./testdata/handlers.ts";
import { Peer, type PeerName } from "./testdata/peers.ts";
import { handlers, ports, TestService, until } from "./testdata/service.ts";

const peerNames: readonly PeerName[] = ["python", "node"];
const listen = "tcp://127.0.0.1:0";
const json = (value: unknown) => JSON.stringify(value);

async function taken(count: number): Promise<Seen[]> {
  await until(`${count} messages`, () => seen.length >= count);
  return seen.splice(0);
}

for (const name of peerNames) {
  Deno.test(`zmq pull takes every message of a ${name} PUSH, in its order`, async () => {
    await using service = await TestService.start({
      listeners: { pull: { socket: "pull", listen, handler: `${handlers}#keep` } },
    });
    await using peer = await Peer.start(name);
    await peer.do({
      do: "make",
      socket: "a",
      type: "push",
      connect: [service.endpoint("pull")],
      linger: 5000,
    });
    await peer.do({ do: "sendMany", socket: "a", from: 0, to: 20_000 });
    await peer.send("a", json("one"), json("two"));
    const messages = await taken(20_001);
    assert.deepEqual(
      messages.slice(0, -1).map(({ value }) => value),
      Array.from({ length: 20_000 }, (_, n) => ({ n })),
    );
    assert.deepEqual(messages.at(-1)!.parts, ["one", "two"]);
    assert.equal(messages.at(-1)!.value, "two");
  });

  Deno.test(`zmq rep answers a ${name} REQ and DEALER, refuses what it cannot read`, async () => {
    await using service = await TestService.start({
      listeners: { rep: { socket: "rep", listen, handler: handlers } },
    });
    await using peer = await Peer.start(name);
    const connect = [service.endpoint("rep")];
    await peer.do({ do: "make", socket: "req", type: "req", connect });
    for (let n = 0; n < 200; n++) {
      await peer.send("req", json({ n }));
      assert.deepEqual(await peer.receiveText("req"), [json({ n })]);
    }
    await peer.send("req", json(1), json([2]));
    assert.deepEqual(await peer.receiveText("req"), ["1", "[2]"]);
    await peer.send("req", "{no json");
    assert.deepEqual(await peer.receiveText("req"), [json({ error: "bad_request", retryAfterMs: 0 })]);
    await peer.do({ do: "make", socket: "dealer", type: "dealer", connect });
    for (const id of ["a", "b", "c"]) await peer.send("dealer", id, "", json(id));
    for (const id of ["a", "b", "c"]) assert.deepEqual(await peer.receiveText("dealer"), [id, "", json(id)]);
    await taken(204);
  });

  Deno.test(`zmq router serves many requests of a ${name} DEALER at once and answers in any order`, async () => {
    await using service = await TestService.start({
      listeners: { router: { socket: "router", listen, handler: `${handlers}#later` } },
    });
    await using peer = await Peer.start(name);
    await peer.do({ do: "make", socket: "d", type: "dealer", connect: [service.endpoint("router")] });
    await peer.send("d", "slow", "", json({ ms: 150 }));
    await peer.send("d", "fast", "", json({ ms: 1 }));
    await peer.send("d", json({ ms: 50 }));
    assert.deepEqual(await peer.receiveText("d"), ["fast", "", json({ ms: 1 })]);
    assert.deepEqual(await peer.receiveText("d"), [json({ ms: 50 })]);
    assert.deepEqual(await peer.receiveText("d"), ["slow", "", json({ ms: 150 })]);
  });

  for (const socket of ["sub", "xsub"] as const) {
    Deno.test(`zmq ${socket} takes the topics it wants of a ${name} PUB, and follows its restarts`, async () => {
      const [port] = ports(1);
      const connect = `tcp://127.0.0.1:${port}`;
      await using _service = await TestService.start({
        listeners: { news: { socket, connect, topics: ["sport", "weather"], handler: `${handlers}#keep` } },
      });
      for (let life = 0; life < 2; life++) {
        await using peer = await Peer.start(name);
        await peer.do({ do: "make", socket: "pub", type: life === 0 ? "pub" : "xpub", bind: [connect] });
        await until("a message comes through", async () => {
          await peer.send("pub", "weather.oslo", json("rain"));
          await new Promise((resolve) => setTimeout(resolve, 10));
          return seen.length > 0;
        });
        seen.length = 0;
        await peer.send("pub", "politics", json("no"));
        await peer.send("pub", "sport", json({ life }));
        await until("sport", () => seen.some(({ topic }) => topic === "sport"));
        const found = seen.splice(0).filter(({ topic }) => topic !== "weather.oslo");
        assert.deepEqual(found.map(({ topic, value }) => [topic, value]), [["sport", { life }]]);
      }
    });
  }

  Deno.test(`zmq pair talks with a ${name} PAIR`, async () => {
    await using service = await TestService.start({
      listeners: { pair: { socket: "pair", listen, codec: "raw", handler: handlers } },
    });
    await using peer = await Peer.start(name);
    await peer.do({ do: "make", socket: "p", type: "pair", connect: [service.endpoint("pair")] });
    await peer.send("p", "hello");
    assert.deepEqual(await peer.receiveText("p"), ["hello"]);
    await peer.send("p", "", "two");
    assert.deepEqual(await peer.receiveText("p"), ["", "two"]);
    const [first] = await taken(2);
    assert.deepEqual(first!.value, new TextEncoder().encode("hello"));
  });

  Deno.test(`zmq dealer serves the work that a ${name} ROUTER hands out, and that of its successor`, async () => {
    const [port] = ports(1);
    const connect = `tcp://127.0.0.1:${port}`;
    await using _service = await TestService.start({
      listeners: { work: { socket: "dealer", connect: [connect], handler: handlers } },
    });
    for (let life = 0; life < 2; life++) {
      await using peer = await Peer.start(name);
      // A DEALER on the other side hands out in turn, as a broker does.
      await peer.do({ do: "make", socket: "b", type: "dealer", bind: [connect] });
      for (let n = 0; n < 3; n++) await peer.send("b", "client", "", json({ n, life }));
      for (let n = 0; n < 3; n++) {
        assert.deepEqual(await peer.receiveText("b", 9000), ["client", "", json({ n, life })]);
      }
    }
    await taken(6);
  });
}

Deno.test("zmq pull leaves messages with their sender while as many are served as may be", async () => {
  await using service = await TestService.start({
    listeners: {
      pull: {
        socket: "pull",
        listen,
        hwm: { receive: 10 },
        handler: `${handlers}#gated`,
        admit: { concurrency: 4, queue: 4, wait: "20ms" },
      },
    },
  });
  await using peer = await Peer.start("python");
  const connect = [service.endpoint("pull")];
  await peer.do({
    do: "make",
    socket: "a",
    type: "push",
    connect,
    hwm: 10,
    linger: 5000,
    options: { sndbuf: 4096 },
  });
  const part = JSON.stringify("x".repeat(100_000));
  let total = 0;
  const send = async (count: number) => {
    const { sent } = await peer.do({ do: "trySend", socket: "a", parts: [btoa(part)], count });
    total += sent as number;
    return sent;
  };
  await until("four are served", async () => {
    await send(1);
    return waiting === 4;
  });
  // Until the queues of both sides and the system's buffers are full, and stay so.
  for (let quiet = 0; quiet < 3;) quiet = await send(1000) === 0 ? quiet + 1 : 0;
  assert.ok(total > 12, `${total} sent`);
  assert.deepEqual([seen.length, waiting], [0, 4], "nobody else was let in");
  await until("every message comes through", () => {
    openGate();
    assert.ok(waiting <= 4);
    return seen.length === total;
  });
  seen.length = 0;
});

Deno.test("zmq rep refuses with a reply what is more than may be served", async () => {
  await using service = await TestService.start({
    listeners: {
      rep: {
        socket: "rep",
        listen,
        handler: `${handlers}#gated`,
        admit: { concurrency: 1, queue: 0, wait: 0 },
      },
    },
  });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "d", type: "dealer", connect: [service.endpoint("rep")] });
  await peer.send("d", "1", "", "1");
  await until("one is served", () => waiting === 1);
  await peer.send("d", "2", "", "2");
  const [id, , text] = (await peer.receiveText("d"))!;
  assert.deepEqual([id, JSON.parse(text!).error], ["2", "queue_full"]);
  openGate();
  assert.deepEqual(await peer.receiveText("d"), ["1", "", "null"]);
  await taken(1);
});

Deno.test("zmq refuses handlers that fail, and messages larger than allowed", async () => {
  await using service = await TestService.start({
    listeners: {
      rep: { socket: "rep", listen, handler: `${handlers}#broken`, limits: { message: "1KiB" } },
    },
  });
  await using peer = await Peer.start("python");
  const connect = [service.endpoint("rep")];
  await peer.do({ do: "make", socket: "r", type: "req", connect });
  await peer.send("r", "1");
  assert.equal(JSON.parse((await peer.receiveText("r"))![0]!).error, "handler_error");
  await peer.do({ do: "make", socket: "large", type: "req", connect });
  await peer.send("large", json("x".repeat(2000)));
  assert.equal(await peer.receive("large", 300), null);
  await peer.send("r", "2");
  assert.equal(JSON.parse((await peer.receiveText("r"))![0]!).error, "handler_error");
});

Deno.test("zmq speaks msgpack with Python", async () => {
  await using service = await TestService.start({
    listeners: { rep: { socket: "rep", listen, codec: "msgpack", handler: handlers } },
  });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "r", type: "req", connect: [service.endpoint("rep")] });
  const value = { text: "grün", list: [1, -5, 1.5, null, true], deep: { n: 2 ** 40 } };
  const { part } = await peer.do({ do: "pack", value });
  await peer.do({ do: "send", socket: "r", parts: [part] });
  const [reply] = (await peer.receive("r"))!;
  assert.deepEqual((await peer.do({ do: "unpack", part: reply!.toBase64() })).value, value);
  assert.deepEqual((await taken(1))[0]!.value, value);
});

Deno.test("zmq runs handlers on pool threads", async () => {
  await using service = await TestService.start({
    pools: { crypto: { kind: "cpu", threads: 1 } },
    listeners: { rep: { socket: "rep", listen, handler: handlers, run: "crypto" } },
  });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "r", type: "req", connect: [service.endpoint("rep")] });
  await peer.send("r", json({ a: 1 }), json("b"));
  assert.deepEqual(await peer.receiveText("r"), [json({ a: 1 }), json("b")]);
  await peer.send("r", "{no json");
  assert.equal(JSON.parse((await peer.receiveText("r"))![0]!).error, "bad_request");
  assert.equal(seen.length, 0, "not on this thread");
});

Deno.test("zmq listens on ipc and inproc", async () => {
  const folder = await Deno.makeTempDir();
  const endpoint = `ipc://${folder}/zmq.ipc`;
  {
    await using service = await TestService.start({
      listeners: {
        rep: { socket: "rep", listen: endpoint, handler: handlers },
        within: { socket: "pull", listen: "inproc://within", handler: `${handlers}#keep` },
      },
      upstreams: { within: { discover: { static: ["unix:/none"] }, zmq: { socket: "none" } } },
    });
    assert.equal(service.endpoint("rep"), endpoint);
    await using peer = await Peer.start("python");
    await peer.do({ do: "make", socket: "r", type: "req", connect: [endpoint] });
    await peer.send("r", json("over ipc"));
    assert.deepEqual(await peer.receiveText("r"), [json("over ipc")]);
  }
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["zmq.ipc.lock"]);
  seen.length = 0;
  await Deno.remove(folder, { recursive: true });
});
