import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { FramesPlan } from "./protocol.ts";
import { frames } from "./protocol.ts";
import { make as makeOnPool } from "./pool_adapter.ts";
import { planOf, serverOf, TestConnection, TestHost } from "./testdata/test_host.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (written: string) => new TextEncoder().encode(written);
const netstring = { netstring: {}, max: 1 << 20 } as FramesPlan["framing"];
const lines = { delimiter: "\n", max: 4096 } as FramesPlan["framing"];
const echo = (frame: Uint8Array) => frame;
// deno-lint-ignore no-explicit-any
const context = {} as any;

/** A frames server on a real port; dispose of it to end it. */
async function listen(plan: Partial<FramesPlan>, handler: unknown) {
  const host = new TestHost(plan, handler);
  const { server } = await serverOf(host);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: TestConnection[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const connection = new TestConnection(Object.assign(conn, { native: conn }));
      connections.push(connection);
      server.serve(connection);
    }
  })();
  return {
    host,
    connections,
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      for (const connection of connections) connection.kill("drain");
      await Promise.all(connections.map((connection) => connection.ended));
    },
  };
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = new Uint8Array(65536);
    const count = await conn.read(part);
    if (count === null) return Buffer.concat(parts);
    parts.push(part.subarray(0, count));
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function python(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", program, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert(success, text(stderr));
  return text(stdout);
}

Deno.test("frames answers a netstring peer over a socket", async () => {
  await using server = await listen(
    { framing: netstring },
    (frame: Uint8Array) => bytes(text(frame).toUpperCase()),
  );
  const output = await python(
    `
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
reader = peer.makefile("rb")
def ask(*texts):
    peer.sendall(b"".join(b"%d:%s," % (len(text), text) for text in texts))
    for text in texts:
        digits = b""
        while (c := reader.read(1)) != b":":
            assert c.isdigit(), c
            digits += c
        reply = reader.read(int(digits))
        assert reader.read(1) == b","
        assert reply == text.upper(), reply
ask(b"hello world!")
ask(b"", b"one", b"x" * 100000, b"last")
peer.shutdown(socket.SHUT_WR)
assert reader.read() == b""
print("fine")
`,
    String(server.port),
  );
  assert.equal(output.trim(), "fine");
  assert.deepEqual(server.connections[0].ends, ["client_closed"]);
});

Deno.test("frames answers a line peer over a socket, byte by byte and half-closed", async () => {
  await using server = await listen({ framing: lines }, async (frame: Uint8Array) => {
    await null;
    return bytes(text(frame).split("").reverse().join(""));
  });
  const output = await python(
    `
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in b"abc\\n\\nde":
    peer.sendall(bytes([byte]))
peer.sendall(b"f\\n" + b"long " * 700 + b"\\n")
peer.shutdown(socket.SHUT_WR)
print(peer.makefile("rb").read() == b"cba\\n\\nfed\\n" + b" gnol" * 700 + b"\\n")
`,
    String(server.port),
  );
  assert.equal(output.trim(), "True");
});

Deno.test("frames refuses a too long frame with a typed close over a socket, after the replies before it", async () => {
  await using server = await listen({ framing: lines, refuse: "ERR" }, echo);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await writeAll(conn, bytes("ok\n" + "x".repeat(100_000)));
  await conn.closeWrite();
  assert.equal(text(await readAll(conn)), "ok\nERR\n");
  conn.close();
  assert.equal(await server.connections[0].ended, "body_too_large");
});

Deno.test("frames carries megabytes both ways over a socket, whatever the sizes", async () => {
  const framing = { lengthPrefix: { bytes: 4, endian: "big", includesItself: false }, max: 1 << 20 };
  await using server = await listen({ framing: framing as FramesPlan["framing"] }, echo);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const parts: Uint8Array[] = [];
  let seed = 42;
  for (let total = 0; total < 6 << 20;) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    const length = seed % 7 === 0 ? seed % (1 << 20) : seed % 3000;
    const part = new Uint8Array(4 + length).fill(seed % 251);
    new DataView(part.buffer).setUint32(0, length);
    parts.push(part);
    total += part.length;
  }
  const sent = Buffer.concat(parts);
  const [received] = await Promise.all([
    readAll(conn),
    writeAll(conn, sent).then(() => conn.closeWrite()),
  ]);
  const hash = (all: Uint8Array) => createHash("sha256").update(all).digest("hex");
  assert.equal(hash(received), hash(sent));
  conn.close();
});

Deno.test("frames loses no reply over sockets when connections drain while they are pipelined", async () => {
  await using server = await listen({ framing: lines }, async (frame: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve, frame.length % 4));
    return frame;
  });
  const peers = await Promise.all(Array.from({ length: 20 }, async (_, index) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const sent = Array.from({ length: 30 }, (_, line) => "x".repeat((line * index) % 11) + "\n").join("");
    await writeAll(conn, bytes(sent));
    const first = new Uint8Array(1);
    await conn.read(first);
    return { conn, sent, first: text(first) };
  }));
  for (const connection of server.connections) {
    connection.closing = true;
    connection.finish();
  }
  for (const { conn, sent, first } of peers) {
    assert.equal(first + text(await readAll(conn)), sent);
    conn.close();
  }
  for (const connection of server.connections) assert.equal(await connection.ended, "drain");
});

Deno.test("frames ends with client_reset when the peer is gone", async () => {
  await using server = await listen({ framing: lines }, () => new Uint8Array(4000));
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await writeAll(conn, bytes("\n".repeat(3000)));
  await conn.read(new Uint8Array(1));
  conn.close();
  assert.equal(await server.connections[0].ended, "client_reset");
});

Deno.test("frames runs the handler on its pool", async () => {
  await using server = await listen({ framing: lines, run: "crypto" }, (frame: Uint8Array) => {
    return bytes(`${text(frame)}!`);
  });
  assert.deepEqual(server.host.pooled, ["crypto"]);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await writeAll(conn, bytes("a\nb\n"));
  await conn.closeWrite();
  assert.equal(text(await readAll(conn)), "a!\nb!\n");
  conn.close();
});

Deno.test("frames.make() throws TypeError when the plan cannot work", async () => {
  const made = (plan: Partial<FramesPlan>, handler: unknown = echo) =>
    frames.make(new TestHost(planOf(plan), handler));
  await assert.rejects(made({ run: "crypto", pattern: "stream" }), {
    name: "TypeError",
    message: /listeners\.test on pool "crypto".*"pattern: stream" needs "run: inline"/,
  });
  await assert.rejects(made({ refuse: "a\nb", framing: lines }), /listeners\.test with "a\\nb": it contains/);
  await assert.rejects(
    made({ refuse: "no", framing: { fixed: 8, max: 9 } as FramesPlan["framing"] }),
    /has 8/,
  );
  await assert.rejects(made({}, { fetch() {} }), /`default` of file:\/\/\/handler\.ts: it is an object/);
  await assert.rejects(made({ framing: { delimiter: "", max: 9 } as FramesPlan["framing"] }), TypeError);
});

Deno.test("frames.make() has the refusal ready for connections that are not taken", async () => {
  const { server } = await serverOf(new TestHost({ framing: netstring, refuse: "BUSY" }, echo));
  assert.equal(text(server.farewell()!), "4:BUSY,");
  const quiet = await serverOf(new TestHost({ framing: netstring }, echo));
  assert.equal(quiet.server.farewell(), undefined);
});

Deno.test("make() of the pool adapter turns a handler into bytes for bytes", async () => {
  assert.deepEqual(makeOnPool(echo, undefined)(bytes("a"), context), bytes("a"));
  assert.deepEqual(makeOnPool(() => {}, undefined)(bytes("a"), context), new Uint8Array(0));
  const later = makeOnPool((frame: Uint8Array) => Promise.resolve(frame), undefined);
  assert.deepEqual(await later(bytes("b"), context), bytes("b"));
  const many = makeOnPool(async function* () {}, undefined);
  assert.throws(() => many(bytes("a"), context), { reason: "handler_error", message: /async iterable/ });
  assert.throws(() => makeOnPool(() => "text", undefined)(bytes("a"), context), { reason: "handler_error" });
  assert.throws(() => makeOnPool("text", undefined), TypeError);
});
