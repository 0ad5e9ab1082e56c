import assert from "node:assert/strict";
import {
  createServer,
  type Http2Server,
  type Http2Session as NodeSession,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { createSecureServer } from "node:http2";
import { systemClock } from "../../../core/clock.ts";
import { makeCertificates } from "../../../tests/make_certificates.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import { UpstreamError } from "../../../core/upstream_error.ts";
import { connectHttp2, type Http2Session } from "./http2_session.ts";
import { httpUpstream } from "./mod.ts";
import { RawServer, until } from "./testdata/raw_server.ts";
import { hostFor, planOf, TestAttempt } from "./testdata/session_host.ts";

const encoder = new TextEncoder();
const plan = (changes: { head?: number } = {}) => ({ ...planOf(changes), http2: true }) as UpstreamPlan;

type OnStream = (stream: ServerHttp2Stream, fields: Record<string, string>) => void;

interface Peer extends AsyncDisposable {
  server: Http2Server;
  address: string;
  sessions: NodeSession[];
}

/** node's HTTP/2 server. */
async function serve(onStream: OnStream, settings = {}): Promise<Peer> {
  const server = createServer({ settings });
  const sessions: NodeSession[] = [];
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream, fields) => {
    stream.on("error", () => {});
    onStream(stream, fields as Record<string, string>);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    sessions,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function connect(address: string, of = plan()): Promise<Http2Session> {
  const [hostname, port] = address.split(":") as [string, string];
  const conn = await Deno.connect({ hostname, port: Number(port) });
  conn.setNoDelay(true);
  try {
    return await connectHttp2(conn, hostFor(address, of));
  } catch (error) {
    conn.close();
    throw error;
  }
}

function start(
  session: Http2Session,
  changes: ConstructorParameters<typeof TestAttempt>[0] = {},
): TestAttempt {
  const attempt = new TestAttempt(changes);
  session.start(attempt);
  return attempt;
}

async function textOf(attempt: TestAttempt): Promise<string> {
  return await new Response((await attempt.reply).body as BodyInit).text();
}

async function ends(session: Http2Session): Promise<void> {
  session.close(true);
  await until(() => session.inflight === 0, "nothing is in flight");
}

Deno.test("Http2Session sends requests of every kind over one connection, many at once", async () => {
  await using peer = await serve(async (stream, fields) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    const body = await new Blob(pieces as BlobPart[]).text();
    stream.respond({ ":status": 200, "x-path": fields[":path"], "set-cookie": ["a=1", "b=2"] });
    stream.end(`${fields[":method"]} ${fields[":authority"]} ${fields["x-a"]} ${body.length}`);
  });
  const session = await connect(peer.address);
  assert.equal(session.capacity, 128);
  const attempts = Array.from({ length: 50 }, (_, i) => {
    const body = i % 3 === 0 ? null : i % 3 === 1 ? encoder.encode("abc") : new Response("streamed").body;
    return start(session, { method: "POST", target: `/${i}`, headers: ["x-a", "1", "x-a", "2"], body });
  });
  assert.equal(session.inflight, 50);
  for (const [i, attempt] of attempts.entries()) {
    const { status, headers } = await attempt.reply;
    assert.equal(status, 200);
    assert.equal(headers[headers.indexOf("x-path") + 1], `/${i}`);
    assert.equal(headers.filter((name) => name === "set-cookie").length, 2);
    assert.equal(await textOf(attempt), `POST ${peer.address} 1, 2 ${[0, 3, 8][i % 3]}`);
    await attempt.released;
    assert.deepEqual([attempt.settled, attempt.releases], [1, 1]);
  }
  assert.equal(peer.sessions.length, 1);
  assert.equal(session.inflight, 0);
  await ends(session);
});

Deno.test("Http2Session gives replies without a body as such", async () => {
  await using peer = await serve((stream, fields) => {
    const status = Number(fields[":path"]!.slice(1));
    stream.respond({ ":status": status, "content-length": status === 200 ? "5" : "0" }, { endStream: true });
  });
  const session = await connect(peer.address);
  const head = await start(session, { method: "HEAD", target: "/200" }).reply;
  assert.deepEqual([head.status, head.body, head.bodyBytes], [200, null, 5]);
  const none = await start(session, { target: "/304" }).reply;
  assert.deepEqual([none.status, none.body], [304, null]);
  const empty = await start(session, { target: "/404" }).reply;
  assert.deepEqual([empty.status, empty.body, empty.bodyBytes], [404, new Uint8Array(0), 0]);
  await ends(session);
});

Deno.test("Http2Session takes a long body whole, no faster than it is read", async () => {
  const total = 16 * 1024 * 1024;
  let written = 0;
  await using peer = await serve((stream) => {
    stream.respond({ ":status": 200 });
    const more = () => {
      while (written < total) {
        written += 65_536;
        if (!stream.write(new Uint8Array(65_536))) return;
      }
      stream.end();
    };
    stream.on("drain", more);
    more();
  });
  const session = await connect(peer.address);
  const { body } = await start(session).reply;
  let before = -1;
  while (written !== before) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(written < total / 2, `${written} bytes were taken`);
  let read = 0;
  for await (const piece of body as ReadableStream<Uint8Array>) read += piece.length;
  assert.equal(read, total);
  await ends(session);
});

Deno.test("Http2Session ends a body that does not go on, and keeps the connection", async () => {
  await using peer = await serve((stream, fields) => {
    stream.respond({ ":status": 200 });
    if (fields[":path"] === "/stalls") stream.write("begun");
    else stream.end("whole");
  });
  const of = plan();
  const session = await connect(peer.address, { ...of, timeouts: { ...of.timeouts, body: 200 } });
  const attempt = start(session, { target: "/stalls" });
  await assert.rejects(
    textOf(attempt),
    (error) => error instanceof UpstreamError && error.failure === "timeout",
  );
  assert.equal(await textOf(start(session, { target: "/" })), "whole");
  assert.equal(session.open, true);
  await ends(session);
});

Deno.test("Http2Session tells unsent of what the peer says it has not looked at, and sent of all else", async () => {
  await using peer = await serve((stream, fields) => stream.close(Number(fields[":path"]!.slice(1))));
  const session = await connect(peer.address);
  for (const [code, sent] of [[7, false], [2, true], [11, true]] as const) {
    const attempt = start(session, { method: "POST", target: `/${code}` });
    const error = await attempt.reply.then(() => assert.fail(), (error) => error);
    assert.ok(error instanceof UpstreamError);
    assert.deepEqual([error.failure, error.sent], ["reset", sent], `code ${code}`);
    assert.deepEqual([attempt.settled, attempt.releases], [1, 1]);
  }
  assert.ok(session.open);
  await ends(session);
});

Deno.test("Http2Session frees the place of an attempt that is given up, and goes on", async () => {
  const closed: number[] = [];
  await using peer = await serve((stream, fields) => {
    if (fields[":path"] === "/slow") stream.on("close", () => closed.push(stream.rstCode));
    else stream.respond({ ":status": 204 }, { endStream: true });
  });
  const session = await connect(peer.address);
  const slow = start(session, { target: "/slow" });
  await start(session).reply;
  session.abandon(slow);
  await slow.released;
  assert.deepEqual([slow.settled, slow.releases], [0, 1]);
  await until(() => closed.length > 0, "the peer was told");
  assert.deepEqual(closed, [8]);
  assert.equal((await start(session).reply).status, 204);
  await ends(session);
});

Deno.test("Http2Session fails what is in flight when the connection ends, and is not open any more", async () => {
  await using peer = await serve((_stream, fields) => {
    if (fields[":path"] === "/end") peer.sessions[0]!.destroy();
  });
  const session = await connect(peer.address);
  const first = start(session), second = start(session, { target: "/end" });
  for (const attempt of [first, second]) {
    const error = await attempt.reply.then(() => assert.fail(), (error) => error);
    assert.deepEqual([error.failure, error.sent], ["reset", true]);
    assert.deepEqual([attempt.settled, attempt.releases], [1, 1]);
  }
  await until(() => !session.open, "the session ended");
});

Deno.test("Http2Session takes nothing more after GOAWAY, and finishes what runs", async () => {
  const streams: ServerHttp2Stream[] = [];
  await using peer = await serve((stream) => void streams.push(stream));
  const session = await connect(peer.address);
  const attempt = start(session);
  await until(() => streams.length === 1, "it arrived");
  peer.sessions[0]!.goaway(0, streams[0]!.id);
  await until(() => !session.open, "the session is not open");
  streams[0]!.respond({ ":status": 200 });
  streams[0]!.end("done");
  assert.equal(await textOf(attempt), "done");
  await attempt.released;
});

Deno.test("Http2Session bounds the head, and the length of a declared body", async () => {
  await using peer = await serve((stream) => {
    stream.respond({ ":status": 200, "x-long": "y".repeat(2000) }, { endStream: true });
  });
  const session = await connect(peer.address, plan({ head: 1024 }));
  const long = await start(session).reply.then(() => assert.fail(), (error) => error);
  // The runtime's own limit may be faster.
  assert.ok(["reset", "protocol"].includes(long.failure), long.failure);
  const body = new Response("abc").body!;
  const attempt = start(session, { method: "POST", body, bodyBytes: 5 });
  const short = await attempt.reply.then(() => assert.fail(), (error) => error);
  assert.ok(["cancelled", "protocol"].includes(short.failure), short.failure);
  await ends(session);
});

Deno.test("Http2Session asks an idle connection whether it lives, and ends it where no answer comes", async () => {
  await using peer = await serve(() => {});
  const session = await connect(peer.address);
  session.ping(5000);
  await new Promise<void>((resolve) => peer.sessions[0]!.on("ping", () => resolve()));
  assert.ok(session.open);
  await ends(session);
  const late: Array<() => void> = [];
  const clock = {
    ...systemClock,
    after: (_: number, callback: () => void) => (late.push(callback), () => {}),
  };
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(peer.address.split(":")[1]) });
  const other = await connectHttp2(conn, { ...hostFor(peer.address, plan()), clock });
  other.ping(5000);
  late[0]!();
  await until(() => !other.open, "it ended");
});

Deno.test("connectHttp2() rejects where nobody speaks HTTP/2", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("PRI * HTTP/2.0");
    await connection.says("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  });
  await assert.rejects(connect(server.address), { name: "UpstreamError", failure: "connect", sent: false });
  const conn = { read: () => new Promise<never>(() => {}), write: () => Promise.resolve(1), close() {} };
  const host = { ...hostFor("127.0.0.1:443", plan()), tls: true, alpn: "http/1.1" };
  await assert.rejects(connectHttp2(conn as never, host), { failure: "connect" });
});

Deno.test("httpUpstream speaks HTTP/2 over TLS where ALPN has agreed on it", async () => {
  const folder = await makeCertificates(["server"]);
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  const server = createSecureServer(
    { cert: read("server.pem"), key: read("server.key") },
    (request, response) => {
      response.end(`${request.headers[":scheme"]} ${request.headers[":authority"]}`);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port,
    caCerts: [read("ca.pem")],
    alpnProtocols: [...httpUpstream.alpn(plan())],
  });
  const { alpnProtocol } = await conn.handshake();
  const host = { ...hostFor(`localhost:${port}`, plan()), tls: true, alpn: alpnProtocol ?? "" };
  const session = await httpUpstream.connect(conn, host) as Http2Session;
  assert.equal(httpUpstream.pipeline!(plan()), 128);
  assert.equal(httpUpstream.pipeline!(planOf()), undefined);
  assert.equal(await textOf(start(session)), `https localhost:${port}`);
  await ends(session);
  await new Promise((resolve) => server.close(resolve));
  await Deno.remove(folder, { recursive: true });
});
