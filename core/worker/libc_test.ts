import assert from "node:assert/strict";
import { socketCalls } from "./libc.ts";
import { peerKey } from "./peer_key.ts";

const calls = socketCalls()!;
// deno-lint-ignore no-explicit-any
const fdSymbol = (Deno as any)[(Deno as any).internal].core.internalFdSymbol;
const fdOf = (conn: Deno.Conn) => (conn as unknown as Record<symbol, number>)[fdSymbol]!;

async function pair() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = await Deno.connect({ hostname: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port });
  const served = await listener.accept();
  const { port } = served.remoteAddr as Deno.NetAddr;
  return {
    listener,
    client,
    served,
    port,
    fd: fdOf(served),
    [Symbol.dispose]() {
      for (const one of [listener, client, served]) {
        try {
          one.close();
        } catch {
          // The test closed it.
        }
      }
    },
  };
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(holds());
}

Deno.test("SocketCalls.tcpInfo() counts what came, read or not", async () => {
  using both = await pair();
  assert.equal(calls.tcpInfo(both.fd)!.bytesReceived, 0);
  await both.client.write(new Uint8Array(1000));
  await eventually(() => calls.tcpInfo(both.fd)!.bytesReceived === 1000);
  await both.served.write(new Uint8Array(500));
  await eventually(() => calls.tcpInfo(both.fd)!.bytesAcked >= 500);
  assert.equal(calls.tcpInfo(-1), undefined);
  assert.equal(calls.tcpInfo(0), undefined);
});

Deno.test("SocketCalls.tcpInfo() of a listening socket is its accept queue", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const fd = calls.listeningFd(port, new Set());
  assert.equal(calls.tcpInfo(fd)!.unacked, 0);
  const clients = await Promise.all([1, 2, 3].map(() => Deno.connect({ hostname: "127.0.0.1", port })));
  await eventually(() => calls.tcpInfo(fd)!.unacked === 3);
  for (const client of clients) client.close();
  listener.close();
});

Deno.test("SocketCalls.listeningFd() tells listeners on one port apart by those that are known", () => {
  const first = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = first.addr as Deno.NetAddr;
  const firstFd = calls.listeningFd(port, new Set());
  const second = Deno.listen({ hostname: "127.0.0.2", port });
  const secondFd = calls.listeningFd(port, new Set([firstFd]));
  assert.ok(firstFd >= 0 && secondFd >= 0 && firstFd !== secondFd);
  assert.equal(calls.listeningFd(port, new Set([firstFd, secondFd])), -1);
  first.close();
  second.close();
});

Deno.test("SocketCalls.peerClosed() sees a peer that has closed its side, also behind unread bytes", async () => {
  using both = await pair();
  assert.equal(calls.peerClosed(both.fd), false);
  await both.client.write(new Uint8Array(10));
  assert.equal(calls.peerClosed(both.fd), false);
  await both.client.closeWrite();
  await eventually(() => calls.peerClosed(both.fd));
  assert.equal(calls.peerClosed(-1), false);
});

Deno.test("SocketCalls.shutdown() and endWrites() touch the connection they mean and no other", async () => {
  using both = await pair();
  calls.shutdown(both.fd, both.port + 1);
  calls.endWrites(both.fd, both.port + 1);
  await both.served.write(Uint8Array.of(1));
  assert.equal(await both.client.read(new Uint8Array(8)), 1);
  calls.endWrites(both.fd, both.port);
  assert.equal(await both.client.read(new Uint8Array(8)), null);
  await both.client.write(Uint8Array.of(2));
  assert.equal(await both.served.read(new Uint8Array(8)), 1);
  calls.shutdown(both.fd, both.port);
  assert.equal(await both.served.read(new Uint8Array(8)), null);
});

Deno.test("SocketCalls.send() takes what the kernel takes, then nothing, then fails", async () => {
  using both = await pair();
  const fd = calls.duplicate(both.fd);
  const bytes = new Uint8Array(1 << 20);
  let sent = 0;
  for (let n = calls.send(fd, bytes); n > 0; n = calls.send(fd, bytes)) sent += n;
  assert.ok(sent > 0 && sent < 100 * bytes.length);
  assert.equal(calls.send(fd, bytes), 0);
  both.client.close();
  await eventually(() => calls.send(fd, bytes) < 0);
  calls.close(fd);
});

Deno.test("SocketCalls.connectedFds() finds connections by their peer", async () => {
  using both = await pair();
  assert.equal(calls.connectedFds().get(peerKey("127.0.0.1", both.port)), both.fd);
});

Deno.test("SocketCalls.steerAway() sends new connections to the sibling process; unsteer() restores both", async () => {
  const module = new URL("./testdata/member.ts", import.meta.url).pathname;
  const start = async (port: number, name: string) => {
    const args = ["run", "-A", "--no-check", "--unstable-net", module, String(port), name];
    const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const writer = child.stdin.getWriter();
    const next = async () => (await lines.read()).value!.trim();
    return {
      port: Number((await next()).split(" ")[1]),
      async tell(line: string) {
        await writer.write(new TextEncoder().encode(`${line}\n`));
        return await next();
      },
      async end() {
        await writer.close();
        await lines.cancel();
        await child.status;
      },
    };
  };
  const first = await start(0, "first");
  const second = await start(first.port, "second");
  const ask = async () => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: first.port });
    const buffer = new Uint8Array(16);
    return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  };
  const names = async () => new Set(await Promise.all(Array.from({ length: 60 }, ask)));
  try {
    assert.deepEqual(await names(), new Set(["first", "second"]));
    assert.equal(await first.tell("steer 0 2"), "steered true");
    assert.deepEqual(await names(), new Set(["second"]));
    // The last one told holds for the group, whoever told it.
    assert.equal(await first.tell("steer 1 2"), "steered true");
    assert.deepEqual(await names(), new Set(["first"]));
    assert.equal(await second.tell("unsteer"), "unsteered");
    assert.deepEqual(await names(), new Set(["first", "second"]));
    assert.equal(await first.tell("steer 0 1"), "steered false");
  } finally {
    await Promise.all([first.end(), second.end()]);
  }
});
