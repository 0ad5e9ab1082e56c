/** WebSockets through the proxy: a real client, a real upstream, and both by hand where it matters what is on the wire. */
import assert from "node:assert/strict";
import { makeCertificates } from "../../../tests/make_certificates.ts";
import { freePorts } from "../../../tests/provision.ts";
import { type ProxyKeys, serveProxy } from "./testdata/serve_proxy.ts";
import { connect, eventually, rawUpstream, standstill } from "./testdata/wire.ts";

const handshake =
  "GET /chat HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n" +
  "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const switched = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
  "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const closeFrame = "\x88\x02\x03\xe9";
const kinds: Array<[kind: string, keys: ProxyKeys]> = [
  ["native", {}],
  ["node", { listener: { accept: { mode: "handOff" } } }],
];

/** An upstream of the runtime's own that echoes, and tells how sockets were closed. */
function echoUpstream(): { address: string; closed: number[]; headers: Headers[] } & AsyncDisposable {
  const [port] = freePorts(1, { from: 21_600, to: 22_399 }) as [number];
  const closed: number[] = [];
  const headers: Headers[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, (request) => {
    headers.push(new Headers(request.headers));
    if (request.headers.get("upgrade") !== "websocket") return new Response("plain", { status: 403 });
    const protocol = request.headers.get("sec-websocket-protocol");
    const { socket, response } = Deno.upgradeWebSocket(request, protocol ? { protocol } : {});
    socket.onmessage = ({ data }) => socket.send(data);
    socket.onclose = ({ code }) => closed.push(code);
    return response;
  });
  return {
    address: `127.0.0.1:${port}`,
    closed,
    headers,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const opened = (socket: WebSocket) =>
  new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = (event) => reject((event as ErrorEvent).error);
  });
const nextMessage = (socket: WebSocket) =>
  new Promise<unknown>((resolve) => socket.onmessage = ({ data }) => resolve(data));
const closeOf = (socket: WebSocket) => new Promise<CloseEvent>((resolve) => socket.onclose = resolve);

for (const [kind, keys] of kinds) {
  Deno.test(`a WebSocket passes the proxy (${kind}) both ways, small and large, and is closed by either`, async () => {
    await using upstream = echoUpstream();
    await using proxy = await serveProxy([upstream.address], keys);
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, "chat");
    socket.binaryType = "arraybuffer";
    await opened(socket);
    assert.equal(socket.protocol, "chat");
    assert.equal(upstream.headers[0]!.get("x-forwarded-for"), "127.0.0.1");
    for (const text of ["hi", "x".repeat(100_000)]) {
      const echoed = nextMessage(socket);
      socket.send(text);
      assert.equal(await echoed, text);
    }
    const echoed = nextMessage(socket);
    socket.send(new Uint8Array(3_000_000).fill(7));
    assert.deepEqual(new Uint8Array(await echoed as ArrayBuffer), new Uint8Array(3_000_000).fill(7));
    const closed = closeOf(socket);
    socket.close(4001, "enough");
    assert.equal((await closed).code, 4001);
    await eventually(() => upstream.closed.length > 0, "the upstream is told");
    assert.deepEqual(upstream.closed, [4001]);
  });

  Deno.test(`a drain closes WebSockets that pass the proxy (${kind}) with 1001 on both sides`, async () => {
    await using upstream = echoUpstream();
    const proxy = await serveProxy([upstream.address], keys);
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, "chat");
    await opened(socket);
    const echoed = nextMessage(socket);
    socket.send("hi");
    await echoed;
    const closed = closeOf(socket);
    assert.equal(await proxy.worker.drain({ keepAcceptingMs: 0, drainMs: 5000, steer: null }), 0);
    assert.equal((await closed).code, 1001);
    await eventually(() => upstream.closed.length > 0, "the upstream is told");
    assert.deepEqual(upstream.closed, [1001]);
    await proxy[Symbol.asyncDispose]();
  });

  Deno.test(`a drain lets the frame end that is on its way through the proxy (${kind})`, async () => {
    let goOn!: () => void;
    const wait = new Promise<void>((resolve) => goOn = resolve);
    await using upstream = rawUpstream(async (wire) => {
      const head = await wire.until("\r\n\r\n");
      await wire.send(switched);
      if (head.startsWith("GET /chat")) {
        await wire.send("\x82\x05ab");
        await wait;
        await wire.send("cde\x82\x01x");
      }
      await wire.rest();
    });
    const proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    using idle = await connect(proxy.port);
    await client.send(handshake);
    await client.until("\r\n\r\n\x82\x05ab");
    await idle.send(handshake.replace("/chat", "/idle"));
    await idle.until("\r\n\r\n");
    const drained = proxy.worker.drain({ keepAcceptingMs: 0, drainMs: 5000, steer: null });
    // The one that is between two frames is told at once, so the other has been as well.
    assert.equal(await idle.bytes(4), closeFrame);
    idle.close();
    goOn();
    assert.equal(await client.bytes(7), "cde" + closeFrame, "the rest of the frame, then Close");
    await client.send("\x88\x82\0\0\0\0\x03\xe9");
    await (client.conn as Deno.TcpConn).closeWrite();
    assert.equal(await client.rest(), "", "nothing may follow a Close");
    await drained;
    await proxy[Symbol.asyncDispose]();
  });

  Deno.test(`bytes that came with the handshake pass the proxy (${kind}), and half-closes do`, async () => {
    await using upstream = rawUpstream(async (wire) => {
      const head = await wire.until("\r\n\r\n");
      assert.match(head, /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/i);
      await wire.send(switched + "\x82\x01a");
      const said = await wire.rest();
      await wire.send("\x82\x01b" + said);
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(handshake);
    const head = await client.until("\r\n\r\n");
    assert.match(head, /^HTTP\/1.1 101 /);
    assert.match(head, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
    assert.equal(await client.bytes(3), "\x82\x01a");
    await client.send("\x82\x81\0\0\0\0c");
    await (client.conn as Deno.TcpConn).closeWrite();
    assert.equal(await client.rest(), "\x82\x01b\x82\x81\0\0\0\0c");
  });

  Deno.test(`a WebSocket takes no more from the upstream than its client reads through the proxy (${kind})`, async () => {
    let sent = 0;
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send(switched);
      for (const piece = new Uint8Array(65536); sent < 64 * 1024 * 1024; sent += piece.length) {
        await wire.send(piece);
      }
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(handshake);
    await client.until("\r\n\r\n");
    assert.ok(await standstill(() => sent) < 32 * 1024 * 1024, `${sent} bytes were taken`);
  });

  Deno.test(`the upstream's answer to a WebSocket that it does not want passes the proxy (${kind})`, async () => {
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send("HTTP/1.1 403 Forbidden\r\nx-a: b\r\ncontent-length: 3\r\n\r\nno!");
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(handshake);
    const head = await client.until("\r\n\r\n");
    assert.match(head, /^HTTP\/1.1 403 /);
    assert.match(head, /x-a: b/);
    assert.equal(await client.bytes(3), "no!");
  });

  Deno.test(`a switch to something else than WebSocket does not pass the proxy (${kind})`, async () => {
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nsecret",
      );
      await wire.rest();
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(handshake);
    const head = await client.until("\r\n\r\n");
    assert.match(head, /^HTTP\/1.1 502 /);
    assert.match(head, /upstream_protocol/);
    assert.doesNotMatch(head + client.held, /secret/);
  });

  Deno.test(`no other upgrade passes the proxy (${kind})`, async () => {
    let head = "";
    await using upstream = rawUpstream(async (wire) => {
      head = await wire.until("\r\n\r\n");
      await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(
      "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    await client.until("\r\n\r\nok");
    assert.doesNotMatch(head, /upgrade|h2c|http2/i);
  });
}

Deno.test("a WebSocket over TLS is refused with 501 where the runtime keeps the connection, and passes over node sockets", async () => {
  const folder = await makeCertificates(["server", "web"]);
  const text = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  await using upstream = echoUpstream();
  const files = { cert: `${folder}/server.pem`, key: `${folder}/server.key` };
  const answerOf = async (tls: Record<string, string>) => {
    await using proxy = await serveProxy([upstream.address], { listener: { tls } });
    const options = { hostname: "localhost", port: proxy.port, caCerts: [text("ca.pem")] };
    const conn = await Deno.connectTls({ ...options, cert: text("web.pem"), key: text("web.key") });
    await conn.write(new TextEncoder().encode(handshake));
    const buffer = new Uint8Array(4096);
    const count = await conn.read(buffer);
    conn.close();
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  };
  assert.match(await answerOf(files), /^HTTP\/1.1 501 (?:.*\r\n)*x-weir-reason: no_upgrade\r\n/);
  assert.equal(upstream.headers.length, 0, "the upstream was not asked");
  assert.match(await answerOf({ ...files, clientCa: `${folder}/ca.pem` }), /^HTTP\/1.1 101 /);
  assert.equal(upstream.headers[0]!.get("x-forwarded-proto"), "https");
  await Deno.remove(folder, { recursive: true });
});
