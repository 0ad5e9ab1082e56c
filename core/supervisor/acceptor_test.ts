import assert from "node:assert/strict";
import net from "node:net";
import { Acceptor, type Taker } from "./acceptor.ts";
import type { ListenerAddress } from "./handed_over.ts";

const tcp = (listener: string, port = 0, index = 0): ListenerAddress => ({
  listener,
  index,
  address: { transport: "tcp", hostname: "127.0.0.1", port },
});

/** A worker that closes what it gets and counts. */
function taker(serial: number, change: Partial<Taker> = {}): Taker & { got: number } {
  const self = {
    serial,
    listeners: new Set(["api"]),
    connections: () => undefined,
    send(_message: Record<string, unknown>, socket: net.Socket): Promise<boolean> {
      self.got++;
      socket.end();
      return Promise.resolve(true);
    },
    got: 0,
    ...change,
  };
  return self;
}

/** Connects; resolves when the other side has closed. */
function visit(address: string): Promise<void> {
  const [hostname, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname);
    socket.on("error", reject).on("close", () => resolve()).resume();
  });
}

Deno.test("Acceptor hands connections to the least loaded worker", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const busy = taker(1, { connections: () => 100 });
  const idle = taker(2, { connections: () => 97 });
  acceptor.add(busy);
  acceptor.add(idle);
  for (let n = 0; n < 6; n++) await visit(api![0]!);
  assert.deepEqual(
    [busy.got, idle.got],
    [2, 4],
    "what was just sent counts, though the worker has not counted it yet",
  );
  acceptor.close();
});

Deno.test("Acceptor goes round where workers do not say how many they have", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const takers = [taker(1), taker(2), taker(3)];
  for (const each of takers) acceptor.add(each);
  for (let n = 0; n < 6; n++) await visit(api![0]!);
  assert.deepEqual(takers.map(({ got }) => got), [2, 2, 2]);
  acceptor.close();
});

Deno.test("Acceptor holds a connection until a worker for its listener comes", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const stranger = taker(1, { listeners: new Set(["other"]) });
  acceptor.add(stranger);
  const visiting = visit(api![0]!);
  const late = taker(2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  acceptor.add(late);
  await visiting;
  assert.deepEqual([stranger.got, late.got], [0, 1]);
  acceptor.close();
});

Deno.test("Acceptor.remove() resolves when what is under way has left, and nothing more comes", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const sent = Promise.withResolvers<boolean>();
  const begun = Promise.withResolvers<void>();
  const leaving = taker(1, {
    send: (_message, socket) => {
      begun.resolve();
      socket.end();
      return sent.promise;
    },
  });
  acceptor.add(leaving);
  const first = visit(api![0]!);
  await begun.promise;
  let removed = false;
  const removing = acceptor.remove(1).then(() => removed = true);
  await first;
  assert.equal(removed, false);
  const other = taker(2);
  acceptor.add(other);
  await visit(api![0]!);
  assert.equal(other.got, 1);
  sent.resolve(true);
  await removing;
  acceptor.close();
});

Deno.test("Acceptor loses with a worker only what was on its way to it", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const begun = Promise.withResolvers<void>();
  const dying = taker(1, {
    send: () => {
      begun.resolve();
      return new Promise(() => {});
    },
  });
  acceptor.add(dying);
  const lost = visit(api![0]!);
  await begun.promise;
  const waiting = [visit(api![0]!), visit(api![0]!)];
  let removed = false;
  acceptor.remove(1).then(() => removed = true);
  acceptor.add(taker(2, { send: () => Promise.resolve(false) }));
  const other = taker(3);
  acceptor.add(other);
  await Promise.all(waiting);
  assert.deepEqual([other.got, removed, acceptor.refused], [2, false, 0]);
  acceptor.lost(1);
  await lost;
  assert.equal(acceptor.refused, 1);
  acceptor.close();
});

Deno.test("Acceptor.open() keeps what is open, and closes what it opened when one fails", async () => {
  const acceptor = new Acceptor();
  const { api } = await acceptor.open(() => [tcp("api")]);
  const port = Number(api![0]!.split(":")[1]);
  assert.deepEqual(await acceptor.open(() => [tcp("api", port)]), { api });
  using blocker = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = (blocker.addr as Deno.NetAddr).port;
  await assert.rejects(
    acceptor.open(() => [tcp("api", port), tcp("b", 21_090), tcp("c", taken)]),
    /EADDRINUSE|in use/,
  );
  await assert.rejects(visit("127.0.0.1:21090"), "b was closed again");
  acceptor.add(taker(1));
  await visit(api![0]!);
  assert.deepEqual(await acceptor.open(() => [tcp("d", 0, 2)]).then(({ d }) => d!.slice(0, 2)), ["", ""]);
  acceptor.close();
});

Deno.test("Acceptor takes over a unix socket that nobody listens on any more", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const path = `${folder}/a.sock`;
  const wanted =
    (): ListenerAddress[] => [{ listener: "api", index: 0, address: { transport: "unix", path } }];
  const dead = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); Deno.kill(Deno.pid, "SIGKILL")`,
    ],
  }).output();
  assert.equal(dead.signal, "SIGKILL");
  assert.ok(Deno.lstatSync(path).isSocket);
  const acceptor = new Acceptor();
  assert.deepEqual(await acceptor.open(wanted), { api: [`unix:${path}`] });
  await assert.rejects(new Acceptor().open(wanted), /EADDRINUSE|in use/, "one that answers is left alone");
  acceptor.close();
  Deno.removeSync(folder, { recursive: true });
});
