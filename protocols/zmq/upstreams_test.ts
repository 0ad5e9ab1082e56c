/** Upstreams of every kind of socket against peers that this project did not write. */
import assert from "node:assert/strict";
import { Peer, type PeerName } from "./testdata/peers.ts";
import { ports, TestService, until } from "./testdata/service.ts";

const json = (value: unknown) => JSON.stringify(value);
const fixed = (...numbers: number[]) => ({ static: numbers.map((port) => `127.0.0.1:${port}`) });
const bind = (port: number) => [`tcp://127.0.0.1:${port}`];

for (const name of ["python", "node"] as const satisfies readonly PeerName[]) {
  for (const socket of ["dealer", "req"] as const) {
    Deno.test(`a zmq upstream with socket ${socket} asks a ${name} REP`, async () => {
      const [port] = ports(1);
      await using peer = await Peer.start(name);
      await peer.do({ do: "make", socket: "rep", type: "rep", bind: bind(port!) });
      await using service = await TestService.start({
        upstreams: {
          u: { discover: fixed(port!), zmq: { socket }, timeouts: { attempt: "5s", total: "9s" } },
        },
      });
      const served = peer.do({ do: "serve", socket: "rep", count: 20 });
      const values = await Promise.all(
        Array.from({ length: 20 }, (_, n) => service.call("u", "request", { n })),
      );
      assert.deepEqual(values, Array.from({ length: 20 }, (_, n) => ({ value: { n } })));
      assert.deepEqual(await served, { served: true });
    });
  }

  Deno.test(`a zmq upstream with socket dealer asks a ${name} ROUTER that keeps envelopes`, async () => {
    const [port] = ports(1);
    await using peer = await Peer.start(name);
    await peer.do({ do: "make", socket: "router", type: "router", bind: bind(port!) });
    await using service = await TestService.start({ upstreams: { u: { discover: fixed(port!) } } });
    const call = service.call("u", "request", "hello");
    const parts = (await peer.receive("router"))!;
    assert.equal(parts.length, 4);
    await peer.send("router", ...parts.slice(0, 3), "1", "2");
    assert.deepEqual(await call, { value: [1, 2] });
  });

  Deno.test(`a zmq upstream with socket push sends to a ${name} PULL, and to its successor`, async () => {
    const [port] = ports(1);
    await using service = await TestService.start({
      upstreams: { u: { discover: fixed(port!), zmq: { socket: "push" }, retry: { attempts: 2 } } },
    });
    assert.equal((await service.call("u", "send", 0)).failure, "refused");
    for (let life = 0; life < 2; life++) {
      await using peer = await Peer.start(name);
      await peer.do({ do: "make", socket: "pull", type: "pull", bind: bind(port!) });
      await until("it is sent", async () => (await service.call("u", "send", { life })).value === null);
      assert.deepEqual(await peer.receiveText("pull"), [json({ life })]);
      await peer.kill();
    }
  });

  Deno.test(`a zmq upstream with socket pair talks with a ${name} PAIR`, async () => {
    const [port] = ports(1);
    await using peer = await Peer.start(name);
    await peer.do({ do: "make", socket: "p", type: "pair", bind: bind(port!) });
    await using service = await TestService.start({
      upstreams: { u: { discover: fixed(port!), zmq: { socket: "pair" }, pool: { connections: 1 } } },
    });
    await service.call("u", "send", "one");
    assert.deepEqual(await peer.receiveText("p"), [json("one")]);
    const call = service.call("u", "request", "two");
    assert.deepEqual(await peer.receiveText("p"), [json("two")]);
    await peer.send("p", json("three"));
    assert.deepEqual(await call, { value: "three" });
  });

  for (const socket of ["pub", "xpub"] as const) {
    Deno.test(`a zmq upstream with socket ${socket} publishes to ${name} subscribers that connect to it`, async () => {
      const [port] = ports(1);
      await using service = await TestService.start({
        upstreams: { news: { discover: { listen: bind(port!) }, zmq: { socket } } },
      });
      await using peer = await Peer.start(name);
      const connect = bind(port!);
      await peer.do({ do: "make", socket: "sport", type: "sub", subscribe: ["sport"], connect });
      await peer.do({ do: "make", socket: "all", type: "sub", subscribe: [""], connect });
      await until("both are there", async () => {
        assert.equal((await service.call("news", "publish", "sport", 0)).value, null);
        const [sport, all] = [await peer.receive("sport", 20), await peer.receive("all", 20)];
        return sport !== null && all !== null;
      });
      await service.call("news", "publish", "politics", 1);
      await service.call("news", "publish", "sport.chess", { n: 2 });
      assert.deepEqual(await peer.receiveText("sport"), ["sport.chess", json({ n: 2 })]);
      await until("the last one", async () => (await peer.receiveText("all"))?.[0] === "sport.chess");
    });
  }
}

Deno.test("a zmq upstream tries again elsewhere when a peer does not answer, and late replies reach nobody", async () => {
  const [dead, alive] = ports(2);
  await using silent = await Peer.start("python");
  await silent.do({ do: "make", socket: "router", type: "router", bind: bind(dead!) });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "rep", type: "rep", bind: bind(alive!) });
  await using service = await TestService.start({
    upstreams: {
      u: {
        discover: fixed(dead!, alive!),
        balance: "roundRobin",
        timeouts: { attempt: "150ms", total: "2s" },
        retry: { attempts: 2, on: ["timeout"], budget: "100%" },
      },
    },
  });
  const served = peer.do({ do: "serve", socket: "rep", count: 8 });
  for (let n = 0; n < 8; n++) {
    assert.deepEqual(await service.call("u", "request", n, { idempotent: true }), { value: n });
  }
  assert.deepEqual(await served, { served: true });
  const late = (await silent.receive("router"))!;
  const again = peer.do({ do: "serve", socket: "rep", count: 1 });
  const call = service.call("u", "request", "mine", { idempotent: true });
  await silent.send("router", ...late.slice(0, 3), json("not mine"));
  assert.deepEqual(await call, { value: "mine" });
  await again;
});

Deno.test("a zmq upstream says what failed: no peer, no reply, a peer that dies, a wrong method", async () => {
  const [nobody, port] = ports(2);
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "router", type: "router", bind: bind(port!) });
  await using service = await TestService.start({
    upstreams: {
      none: { discover: fixed(nobody!) },
      u: { discover: fixed(port!), timeouts: { connect: "200ms", attempt: "200ms", total: "200ms" } },
      slow: { discover: fixed(port!), timeouts: { attempt: "9s", total: "9s" } },
    },
  });
  assert.equal((await service.call("none", "request", 1)).failure, "refused");
  assert.equal((await service.call("u", "request", 1)).failure, "timeout");
  assert.match(
    String((await service.call("u", "send", 1)).message),
    /its socket is dealer; send needs push or pair/,
  );
  assert.match(
    String((await service.call("u", "fetch", "/")).message),
    /Cannot fetch on upstream u: it speaks zmq/,
  );
  const call = service.call("slow", "request", 1);
  await until("it is asked", async () => (await peer.receive("router"))!.length === 4);
  await peer.receive("router", 100);
  await peer.kill();
  assert.equal((await call).failure, "reset");
});

Deno.test("a zmq upstream surveys all its endpoints until the deadline", async () => {
  const numbers = ports(3);
  await using peer = await Peer.start("python");
  for (const port of numbers) {
    await peer.do({ do: "make", socket: `s${port}`, type: "rep", bind: bind(port) });
  }
  await using service = await TestService.start({
    upstreams: { u: { discover: fixed(...numbers), timeouts: { attempt: "5s", total: "5s" } } },
  });
  const call = service.call("u", "survey", "who", { timeoutMs: 1500 });
  for (const port of numbers.slice(0, 2)) {
    assert.deepEqual(await peer.receiveText(`s${port}`), [json("who")]);
    await peer.send(`s${port}`, json(port));
  }
  const { value } = await call as { value: Array<{ endpoint: string; value: number }> };
  assert.deepEqual(
    value.toSorted((a, b) => a.value - b.value),
    numbers.slice(0, 2).toSorted((a, b) => a - b).map((port) => ({
      endpoint: `127.0.0.1:${port}`,
      value: port,
    })),
  );
});

Deno.test("a zmq upstream follows endpoints that come and go", async () => {
  const [first, second] = ports(2);
  const folder = await Deno.makeTempDir();
  const file = `${folder}/endpoints.yaml`;
  const write = async (port: number) => {
    await Deno.writeTextFile(`${file}.new`, `- 127.0.0.1:${port}\n`);
    await Deno.rename(`${file}.new`, file);
  };
  await write(first!);
  await using peer = await Peer.start("python");
  for (const port of [first!, second!]) {
    await peer.do({ do: "make", socket: `${port}`, type: "pull", bind: bind(port) });
  }
  await using service = await TestService.start({
    upstreams: { u: { discover: { file }, zmq: { socket: "push" } } },
  });
  await until("the first has it", async () => (await service.call("u", "send", 1)).value === null);
  assert.deepEqual(await peer.receiveText(`${first}`), ["1"]);
  await write(second!);
  await until("the second has it", async () => {
    await service.call("u", "send", 2);
    return await peer.receive(`${second}`, 20) !== null;
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a zmq upstream signs what it asks and refuses replies that are not signed for it", async () => {
  const [port] = ports(1);
  const secret = "a shared secret";
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "rep", type: "rep", bind: bind(port!) });
  await using service = await TestService.start({
    upstreams: { u: { discover: fixed(port!), zmq: { signed: { secret } } } },
  });
  const ask = async (bound: boolean) => {
    const call = service.call("u", "request", "hi");
    const [signature, body] = (await peer.receive("rep"))!;
    const told = { do: "verify", secret, part: signature!.toBase64(), body: [body!.toBase64()] };
    assert.equal((await peer.do(told)).good, true);
    const answered = bound ? { answered: signature!.toBase64() } : {};
    const { part } = await peer.do({ do: "sign", secret, body: [btoa("1")], ...answered });
    await peer.send("rep", Uint8Array.fromBase64(part as string), "1");
    return await call;
  };
  assert.deepEqual(await ask(true), { value: 1 });
  assert.equal((await ask(false)).failure, "protocol");
});

Deno.test("a zmq upstream speaks CURVE, and says so when it is not let in", async () => {
  const [port] = ports(1);
  await using peer = await Peer.start("python");
  const [server, own] = [await peer.do({ do: "keys" }), await peer.do({ do: "keys" })];
  const options = { curve_server: 1, curve_publickey: server.publicKey, curve_secretkey: server.secretKey };
  await peer.do({ do: "make", socket: "rep", type: "rep", bind: bind(port!), options });
  await using service = await TestService.start({
    upstreams: {
      u: { discover: fixed(port!), zmq: { curve: { ...own, serverKey: server.publicKey } } },
      deceived: { discover: fixed(port!), zmq: { curve: { ...own, serverKey: own.publicKey } } },
      plain: { discover: fixed(port!) },
    },
  });
  const served = peer.do({ do: "serve", socket: "rep", count: 1 });
  assert.deepEqual(await service.call("u", "request", "hi"), { value: "hi" });
  await served;
  for (const name of ["deceived", "plain"]) {
    const { name: kind, failure } = await service.call(name, "request", "hi");
    assert.equal(kind, "UpstreamError");
    assert.ok(["connect", "protocol", "refused", "tls"].includes(String(failure)), `${name}: ${failure}`);
  }
});
