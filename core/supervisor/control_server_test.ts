import assert from "node:assert/strict";
import { join } from "node:path";
import { Channel } from "../channel.ts";
import { connectControl } from "./connect_control.ts";
import { type ControlHandlers, listenControl } from "./control_server.ts";

const handlers: ControlHandlers = {
  adopt: ({ token }) => token === "secret" ? ({ type }) => `child said ${type}` : undefined,
  lost: () => {},
  command: ({ type }) => {
    if (type === "bad") throw new TypeError("no such command");
    return `did ${type}`;
  },
};

async function connect(address: string): Promise<{ channel: Channel; closed: Promise<unknown> }> {
  const closed = Promise.withResolvers<unknown>();
  const channel = new Channel(await connectControl(address), {
    onMessage: () => undefined,
    onClose: closed.resolve,
  });
  return { channel, closed: closed.promise };
}

for (const transport of ["unix", "tcp"] as const) {
  Deno.test(`listenControl() tells children from clients over ${transport}`, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
    const server = listenControl(folder, transport, handlers);
    const name = transport === "unix" ? "control.sock" : "control.json";
    assert.equal(Deno.statSync(join(folder, name)).mode! & 0o777, 0o600);
    const token = transport === "tcp"
      ? JSON.parse(Deno.readTextFileSync(join(folder, name))).token
      : undefined;

    const client = await connect(server.address);
    assert.equal(await client.channel.request({ type: "status", token }, 5000), "did status");
    await assert.rejects(client.channel.request({ type: "bad", token }, 5000), /no such command/);

    const child = await connect(server.address);
    child.channel.send({ type: "hello", token: "secret" });
    assert.equal(await child.channel.request({ type: "anything" }, 5000), "child said anything");

    const stranger = await connect(server.address);
    stranger.channel.send({ type: "hello", token: "guessed" });
    await stranger.closed;

    await server.close();
    await Promise.all([client.closed, child.closed]);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("listenControl() refuses commands over TCP without the token", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const server = listenControl(folder, "tcp", handlers);
  const client = await connect(server.address);
  await assert.rejects(client.channel.request({ type: "stop" }, 5000), /the token is wrong/);
  await assert.rejects(client.channel.request({ type: "stop", token: "x" }, 5000), /the token is wrong/);
  await server.close();
  await client.closed;
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("listenControl() closes connections beyond the 64 that clients may hold", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const server = listenControl(folder, "unix", handlers);
  const clients = [];
  for (let n = 0; n < 64; n++) {
    const client = await connect(server.address);
    await client.channel.request({ type: "status" }, 5000);
    clients.push(client);
  }
  const oneMore = await connect(server.address);
  await oneMore.closed;
  clients[0]!.channel.close();
  await clients[0]!.closed;
  // A place is free as soon as the server has noticed, and children never needed one.
  for (;;) {
    const again = await connect(server.address);
    const answer = await again.channel.request({ type: "status" }, 5000).catch(() => undefined);
    again.channel.close();
    if (answer !== undefined) break;
  }
  await server.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("listenControl() leaves nothing behind that removes the socket of who comes next", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  for (let n = 0; n < 20; n++) {
    const server = listenControl(folder, "unix", handlers);
    await (await connect(server.address)).channel.close();
    await server.close();
    assert.throws(() => Deno.statSync(server.address), Deno.errors.NotFound);
  }
  Deno.removeSync(folder, { recursive: true });
});
