/** CURVE and signed messages, with peers that this project did not write. */
import assert from "node:assert/strict";
import { seen } from "./testdata/handlers.ts";
import { Peer, type PeerName, toBase64 } from "./testdata/peers.ts";
import { handlers, TestService, until } from "./testdata/service.ts";

const listen = "tcp://127.0.0.1:0";
const json = (value: unknown) => JSON.stringify(value);

interface Keys {
  publicKey: string;
  secretKey: string;
}

async function keys(peer: Peer): Promise<Keys> {
  return await peer.do({ do: "keys" }) as unknown as Keys;
}

function client(own: Keys, server: string): Record<string, string> {
  return { curve_publickey: own.publicKey, curve_secretkey: own.secretKey, curve_serverkey: server };
}

for (const name of ["python", "node"] as const satisfies readonly PeerName[]) {
  Deno.test(`zmq with CURVE serves a ${name} client whose key is allowed, and no other`, async () => {
    await using maker = await Peer.start("python");
    const [server, friend, stranger] = [await keys(maker), await keys(maker), await keys(maker)] as const;
    await using service = await TestService.start({
      listeners: {
        rep: {
          socket: "rep",
          listen,
          handler: handlers,
          curve: { ...server, clientKeys: [friend.publicKey] },
        },
        open: { socket: "rep", listen, handler: handlers, curve: server },
      },
    });
    await using peer = await Peer.start(name);
    const make = (socket: string, options: Record<string, string>, listener = "rep") =>
      peer.do({ do: "make", socket, type: "dealer", options, connect: [service.endpoint(listener)] });
    await make("friend", client(friend, server.publicKey));
    await peer.send("friend", "", json("secret"));
    assert.deepEqual(await peer.receiveText("friend"), ["", json("secret")]);
    await make("stranger", client(stranger, server.publicKey));
    await make("plain", {});
    await make("deceived", client(friend, stranger.publicKey));
    for (const socket of ["stranger", "plain", "deceived"]) {
      // Whoever is refused has nobody to send to, or sends to nobody.
      await peer.send(socket, "", json(socket)).catch((error) =>
        assert.match(String(error), /EAGAIN|Again|timed out/)
      );
      assert.equal(await peer.receive(socket, 200), null, socket);
    }
    await make("anybody", client(stranger, server.publicKey), "open");
    await peer.send("anybody", "", json("hi"));
    assert.deepEqual(await peer.receiveText("anybody"), ["", json("hi")]);
    assert.deepEqual(seen.splice(0).map(({ value }) => value), ["secret", "hi"]);
  });
}

Deno.test("zmq with CURVE dials out as a client", async () => {
  await using peer = await Peer.start("python");
  const [server, own] = [await keys(peer), await keys(peer)];
  const endpoint = "tcp://127.0.0.1:27871";
  const options = { curve_server: 1, curve_publickey: server.publicKey, curve_secretkey: server.secretKey };
  await peer.do({ do: "make", socket: "push", type: "push", bind: [endpoint], options });
  await using _service = await TestService.start({
    listeners: {
      pull: {
        socket: "pull",
        connect: [endpoint],
        handler: `${handlers}#keep`,
        curve: { ...own, serverKey: server.publicKey },
      },
    },
  });
  await peer.send("push", json(1));
  await until("it comes", () => seen.length === 1);
  seen.length = 0;
});

Deno.test("zmq signed takes what Python has signed, once, and signs its reply for that request", async () => {
  const secret = "a shared secret";
  await using service = await TestService.start({
    listeners: { rep: { socket: "rep", listen, handler: handlers, signed: { secret, window: "2s" } } },
  });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "d", type: "dealer", connect: [service.endpoint("rep")] });
  const sign = async (body: string[], more: Record<string, unknown> = {}) => {
    const { part } = await peer.do({ do: "sign", secret, body: body.map(toBase64), ...more });
    return Uint8Array.fromBase64(part as string);
  };
  const request = await sign([json("hello")]);
  await peer.send("d", "", request, json("hello"));
  const [, signature, reply] = (await peer.receive("d"))!;
  assert.equal(new TextDecoder().decode(reply), json("hello"));
  const verify = async (answered?: Uint8Array) => {
    const told = { do: "verify", secret, part: toBase64(signature!), body: [toBase64(reply!)] };
    return (await peer.do(answered ? { ...told, answered: toBase64(answered) } : told)).good;
  };
  assert.equal(await verify(request), true);
  assert.equal(await verify(), false, "it is no request");
  assert.equal(await verify(await sign(["x"])), false, "nor a reply to another one");

  const refused: Array<readonly [string, Uint8Array, string]> = [
    ["replayed", request, json("hello")],
    ["another body", await sign([json("hello")]), json("bye")],
    ["another key", await sign([json("hello")], { secret: "other" }), json("hello")],
    ["too old", await sign([json("hello")], { shiftMs: -2500 }), json("hello")],
    ["from the future", await sign([json("hello")], { shiftMs: 10_000 }), json("hello")],
    ["a reflected reply", signature!, json("hello")],
    ["no signature", new TextEncoder().encode(json("hello")), json("hello")],
  ];
  for (const [why, part, body] of refused) {
    await peer.send("d", "", part, body);
    assert.equal(await peer.receive("d", 100), null, why);
  }
  await peer.send("d", "", await sign([json(1), json(2)]), json(1), json(2));
  assert.equal((await peer.receive("d"))!.length, 4);
  assert.equal(seen.splice(0).length, 2);
});

Deno.test("zmq signed covers the topic", async () => {
  const secret = "a shared secret";
  const endpoint = "tcp://127.0.0.1:27872";
  await using _service = await TestService.start({
    listeners: {
      sub: { socket: "sub", connect: [endpoint], handler: `${handlers}#keep`, signed: { secret } },
    },
  });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "pub", type: "pub", bind: [endpoint] });
  const publish = async (topic: string, signed = topic) => {
    const told = { do: "sign", secret, topic: toBase64(signed), body: [toBase64(json(topic))] };
    const { part } = await peer.do(told);
    await peer.send("pub", topic, Uint8Array.fromBase64(part as string), json(topic));
  };
  await until("it is connected", async () => {
    await publish("first");
    await new Promise((resolve) => setTimeout(resolve, 10));
    return seen.length > 0;
  });
  seen.length = 0;
  await publish("forged", "other");
  await publish("good");
  await until("the good one comes", () => seen.some(({ topic }) => topic === "good"));
  assert.ok(!seen.some(({ topic }) => topic === "forged"));
  seen.length = 0;
});
