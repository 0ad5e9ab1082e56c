import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { systemClock } from "../../../core/clock.ts";
import { provision } from "../../../tests/provision.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import type { HttpReply } from "./message.ts";
import { HttpSession } from "./session.ts";
import { RawConnection, RawServer, until } from "./testdata/raw_server.ts";
import { hostFor, planOf, TestAttempt, type TestHost } from "./testdata/session_host.ts";

const range = { from: 20_810, to: 20_899 };
const encoder = new TextEncoder();
const ok = (body: string, fields = "") =>
  `HTTP/1.1 200 OK\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`;

async function connect(address: string, plan = planOf()): Promise<{ session: HttpSession; host: TestHost }> {
  const [hostname, port] = address.split(":") as [string, string];
  const conn = await Deno.connect({ hostname, port: Number(port) });
  conn.setNoDelay(true);
  const host = hostFor(address, plan);
  return { session: new HttpSession(conn, host), host };
}

function start(
  session: HttpSession,
  changes: ConstructorParameters<typeof TestAttempt>[0] = {},
): TestAttempt {
  const attempt = new TestAttempt(changes);
  session.start(attempt);
  return attempt;
}

async function textOf({ body }: HttpReply): Promise<string> {
  if (body === null) return "";
  return await new Response(body as BodyInit).text();
}

async function failureOf(attempt: TestAttempt, failure: FailureKind, sent: boolean): Promise<UpstreamError> {
  const error = await attempt.reply.then(() => assert.fail("it succeeded"), (error) => error);
  assert.ok(error instanceof UpstreamError, String(error));
  assert.deepEqual({ failure: error.failure, sent: error.sent }, { failure, sent }, error.message);
  assert.equal(error.upstream, "test");
  assertEnded(attempt);
  return error;
}

function assertEnded(attempt: TestAttempt): void {
  assert.deepEqual({ settled: attempt.settled, releases: attempt.releases }, { settled: 1, releases: 1 });
}

function assertClosed(session: HttpSession): void {
  assert.deepEqual({ open: session.open, inflight: session.inflight }, { open: false, inflight: 0 });
}

/** A body of `pieces`, of which it is known how many were taken and whether it was cancelled. */
function pieces(
  list: Array<string | Uint8Array>,
): { stream: ReadableStream<Uint8Array>; taken: number; cancelled: boolean } {
  const source = { taken: 0, cancelled: false } as ReturnType<typeof pieces>;
  source.stream = new ReadableStream({
    pull(controller) {
      const piece = list[source.taken];
      if (piece === undefined) return controller.close();
      source.taken++;
      controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
    },
    cancel: () => void (source.cancelled = true),
  }, { highWaterMark: 0 });
  return source;
}

/** Answers every request on every connection with what `answer` says. */
function answering(answer: (connection: RawConnection, nth: number) => string): RawServer {
  return new RawServer(async (connection) => {
    for (let nth = 1, from = 0;; nth++) {
      while (!connection.heard.slice(from).includes("\r\n\r\n")) {
        const before = connection.heard.length;
        await connection.hears("\r\n\r\n", from).catch(() => {});
        if (connection.over) return;
        assert.ok(connection.heard.length > before);
      }
      from = connection.heard.indexOf("\r\n\r\n", from) + 4;
      const text = answer(connection, nth);
      if (text === "") return;
      await connection.says(text);
    }
  });
}

Deno.test("HttpSession uses one connection for request after request against nginx", async () => {
  await using server = await provision("nginx", { range });
  const { session } = await connect(`127.0.0.1:${server.ports[0]}`);
  const numbers = new Set<string>();
  for (let n = 1; n <= 20; n++) {
    const attempt = start(session);
    const reply = await attempt.reply;
    const [connection, request] = (await textOf(reply)).split(" ");
    numbers.add(connection!);
    assert.equal(reply.status, 200);
    assert.ok(reply.body instanceof Uint8Array);
    assert.equal(request, `${n}`);
    assert.equal(reply.headers[reply.headers.indexOf("content-length") + 1], `${reply.bodyBytes}`);
    assertEnded(attempt);
  }
  assert.equal(numbers.size, 1);
  const head = await start(session, { method: "HEAD" }).reply;
  assert.deepEqual([head.status, head.body], [200, null]);
  const empty = await start(session, { target: "/empty" }).reply;
  assert.deepEqual([empty.status, empty.body, empty.bodyBytes], [204, null, -1]);
  const posted = await start(session, { method: "POST", target: "/empty", body: encoder.encode("x=1") })
    .reply;
  assert.equal(posted.status, 204);
  assert.ok(session.open);
  session.close();
  assertClosed(session);
});

Deno.test("HttpSession streams long replies of nginx whole and keeps the connection", async () => {
  await using server = await provision("nginx", { range });
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const file = new Uint8Array(3_000_000).map((_, i) => bytes[i % bytes.length]! ^ (i >> 16));
  await Deno.writeFile(join(server.folder, "www", "long"), file);
  const { session } = await connect(`127.0.0.1:${server.ports[0]}`);
  for (let n = 0; n < 3; n++) {
    const attempt = start(session, { target: "/files/long" });
    const reply = await attempt.reply;
    assert.ok(reply.body instanceof ReadableStream);
    assert.equal(reply.bodyBytes, file.length);
    assert.equal(attempt.releases, 0);
    assert.deepEqual(await new Response(reply.body).bytes(), file);
    assertEnded(attempt);
  }
  assert.equal((await textOf(await start(session).reply)).split(" ")[1], "4");
  session.close();
});

Deno.test("HttpSession sends bodies of every kind to node's server as they are", async () => {
  const server = createServer(async (request, response) => {
    let bytes = 0, sum = 0;
    for await (const piece of request) {
      bytes += piece.length;
      for (const byte of piece) sum = (sum + byte) % 65_521;
    }
    const { "content-length": length, "transfer-encoding": coding } = request.headers;
    response.end(JSON.stringify([bytes, sum, length ?? null, coding ?? null]));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { session } = await connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const ask = async (changes: ConstructorParameters<typeof TestAttempt>[0]) =>
    JSON.parse(await textOf(await start(session, { method: "POST", ...changes }).reply));
  const long = new Uint8Array(2_000_000).fill(7);
  const sum = 14_000_000 % 65_521;
  assert.deepEqual(await ask({ body: null }), [0, 0, "0", null]);
  assert.deepEqual(await ask({ body: encoder.encode("abc") }), [3, 294, "3", null]);
  assert.deepEqual(await ask({ body: long }), [long.length, sum, `${long.length}`, null]);
  const parts = () => [long.subarray(0, 1_500_000), new Uint8Array(0), long.subarray(1_500_000)];
  assert.deepEqual(await ask({ body: pieces(parts()).stream }), [long.length, sum, null, "chunked"]);
  const declared = { body: pieces(parts()).stream, bodyBytes: long.length };
  assert.deepEqual(await ask(declared), [long.length, sum, `${long.length}`, null]);
  assert.deepEqual(await ask({ body: pieces([]).stream }), [0, 0, null, "chunked"]);
  assert.deepEqual(await ask({ body: pieces([]).stream, bodyBytes: 0 }), [0, 0, "0", null]);
  assert.ok(session.open);
  session.close();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("HttpSession sends head and short body in one write", () => {
  const writes: string[] = [];
  const never = Promise.withResolvers<null>();
  const stream = {
    read: () => never.promise,
    write(bytes: Uint8Array) {
      writes.push(String.fromCharCode(...bytes));
      return Promise.resolve(bytes.length);
    },
    closeWrite: () => Promise.resolve(),
    close: () => never.resolve(null),
  };
  const session = new HttpSession(stream, hostFor("10.0.0.1:80"));
  const headers = ["accept", "*/*", "x-name", "J\u00fcrgen", "x-wide", "plain"];
  start(session, { method: "PUT", target: "/a?b", headers, body: encoder.encode("hello") });
  assert.deepEqual(writes, [
    "PUT /a?b HTTP/1.1\r\nhost: 10.0.0.1\r\naccept: */*\r\nx-name: J\u00fcrgen\r\nx-wide: plain\r\n" +
    "content-length: 5\r\n\r\nhello",
  ]);
  session.close(true);
});

Deno.test("HttpSession goes on where a write was taken in part", async () => {
  let heard = "";
  const reading = Promise.withResolvers<null>();
  const stream = {
    read: () => reading.promise,
    write(bytes: Uint8Array) {
      const taken = Math.min(7, bytes.length);
      heard += String.fromCharCode(...bytes.subarray(0, taken));
      return Promise.resolve(taken);
    },
    closeWrite: () => Promise.resolve(),
    close: () => reading.resolve(null),
  };
  const session = new HttpSession(stream, hostFor("10.0.0.1:81"));
  start(session, { method: "POST", body: new Uint8Array(40_000).fill(97) });
  await until(() => heard.endsWith("a".repeat(40_000)), "all was written");
  assert.equal(
    heard,
    `POST / HTTP/1.1\r\nhost: 10.0.0.1:81\r\ncontent-length: 40000\r\n\r\n${"a".repeat(40_000)}`,
  );
  session.close(true);
});

Deno.test("HttpSession makes UTF-8 of fields that one byte for each character does not hold", async () => {
  await using server = answering(() => ok("x"));
  const { session } = await connect(server.address);
  await start(session, { headers: ["x-wide", "\u010d\u010a"] }).reply;
  assert.ok(server.connections[0]!.heard.includes("x-wide: \xc4\x8d\xc4\x8a\r\n\r\n"));
  session.close();
});

Deno.test("HttpSession ends while idle when the upstream closes, or says what nobody asked for", async () => {
  for (const text of ["", "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"]) {
    const go = Promise.withResolvers<void>();
    await using server = new RawServer(async (connection) => {
      await connection.hears("\r\n\r\n");
      await connection.says(ok("hi"));
      await go.promise;
      if (text !== "") {
        await connection.says(text);
        await connection.ends();
      }
    });
    const { session, host } = await connect(server.address);
    await start(session).reply;
    assert.ok(session.open);
    const before = host.changes;
    go.resolve();
    await until(() => !session.open, "the session ended");
    assert.ok(host.changes > before);
  }
});

Deno.test("HttpSession fails with reset, as sent, when a used connection ends before the reply, and sends nothing again", async () => {
  await using server = answering((_, nth) => nth === 1 ? ok("first") : "");
  const { session } = await connect(server.address);
  await start(session).reply;
  const post = start(session, { method: "POST", body: encoder.encode("once") });
  await failureOf(post, "reset", true);
  assertClosed(session);
  await server[Symbol.asyncDispose]();
  assert.equal(server.connections.length, 1);
  assert.equal(server.connections[0]!.heard.split("once").length, 2);
});

Deno.test("HttpSession fails with reset or protocol whatever a hostile upstream says", async () => {
  const cases: Array<[string, FailureKind]> = [
    ["", "reset"],
    ["HTTP/1.1 200 O", "reset"],
    ["HTTP/1.1 200 OK\r\nx: 1\r\n", "reset"],
    ["SSH-2.0-OpenSSH\r\n", "protocol"],
    ["HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "protocol"],
    ["HTTP/1.1 200 OK\r\nx: 1\n\r\n", "protocol"],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, "protocol"],
    ["HTTP/1.1 100 Continue\r\n\r\n".repeat(20), "protocol"],
    ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol"],
  ];
  for (const [text, failure] of cases) {
    await using server = answering((connection) => {
      if (text !== "") connection.says(text).catch(() => {}).finally(() => connection.close());
      return "";
    });
    const { session } = await connect(server.address);
    await failureOf(start(session), failure, true);
    assertClosed(session);
  }
});

Deno.test("HttpSession fails the body, not the reply, when it is cut or wrong", async () => {
  const cases: Array<[string, RegExp]> = [
    ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", /before its reply was complete/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", /before its reply was complete/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf", /before its reply was complete/],
  ];
  for (const [text, message] of cases) {
    await using server = answering((connection) => {
      connection.says(text).finally(() => connection.close());
      return "";
    });
    const { session } = await connect(server.address);
    const attempt = start(session);
    const reader = ((await attempt.reply).body as ReadableStream<Uint8Array>).getReader();
    assert.deepEqual((await reader.read()).value, encoder.encode("half"));
    await assert.rejects(
      reader.read(),
      (error: UpstreamError) => message.test(error.message) && error.failure === "reset",
    );
    assertEnded(attempt);
    assertClosed(session);
  }
});

Deno.test("HttpSession reads until the upstream closes where a reply has no length, and is not open after its head", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("\r\n\r\n");
    await connection.says("HTTP/1.0 200 OK\r\n\r\nfirst ");
    await connection.says("second");
  });
  const { session } = await connect(server.address);
  const attempt = start(session);
  const reply = await attempt.reply;
  assert.equal(session.open, false);
  assert.equal(await textOf(reply), "first second");
  assertEnded(attempt);
  assertClosed(session);
});

Deno.test("HttpSession closes after connection: close and after HTTP/1.0", async () => {
  for (const text of [ok("x", "connection: close\r\n"), "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx"]) {
    await using server = answering(() => text);
    const { session } = await connect(server.address);
    const attempt = start(session);
    assert.equal(await textOf(await attempt.reply), "x");
    assertEnded(attempt);
    assertClosed(session);
    await until(() => server.connections[0]!.over, "this side closed");
  }
});

Deno.test("HttpSession gives chunked replies that came whole as bytes, others as streams", async () => {
  const go = Promise.withResolvers<void>();
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  await using server = new RawServer(async (connection) => {
    await connection.hears("/1");
    await connection.says(`${chunked}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`);
    await connection.hears("/2");
    await connection.says(`${chunked}2\r\nab\r\n`);
    await go.promise;
    await connection.says("1\r\nc\r\n0\r\n\r\n");
    await connection.hears("/3");
    await connection.says(ok(""));
  });
  const { session } = await connect(server.address);
  assert.deepEqual((await start(session, { target: "/1" }).reply).body, encoder.encode("abc"));
  const attempt = start(session, { target: "/2" });
  const reply = await attempt.reply;
  assert.ok(reply.body instanceof ReadableStream);
  assert.equal(session.inflight, 1);
  assert.equal(session.waitingSince, 0);
  go.resolve();
  assert.equal(await textOf(reply), "abc");
  assert.equal((await start(session, { target: "/3" }).reply).status, 200);
  session.close();
});

Deno.test("HttpSession reads no further than a little ahead of who reads the body", async () => {
  const total = 64 * 1024 * 1024;
  let said = 0;
  await using server = new RawServer(async (connection) => {
    await connection.hears("\r\n\r\n");
    await connection.says(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
    const piece = new Uint8Array(1024 * 1024);
    for (; said < total; said += piece.length) await connection.says(piece);
    // Whoever ends the connection ends the session.
    await connection.hears("/2");
  });
  const { session } = await connect(server.address);
  const { body } = await start(session).reply;
  let before = -1;
  const still = async () => {
    before = said;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return said === before;
  };
  while (!await still());
  assert.ok(said < total / 2, `${said} bytes were taken`);
  let read = 0;
  for await (const piece of body as ReadableStream<Uint8Array>) read += piece.length;
  assert.equal(read, total);
  assert.ok(session.open);
  session.close();
});

Deno.test("HttpSession drains the short rest of a body that is cancelled, and closes over a long one", async () => {
  for (const [length, open] of [[60_000, true], [10_000_000, false]] as const) {
    const go = Promise.withResolvers<void>();
    await using server = new RawServer(async (connection) => {
      await connection.hears("/1");
      await connection.says(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\nx`);
      await go.promise;
      await connection.says("x".repeat(open ? length - 1 : 1));
      await connection.hears("/2");
      await connection.says(ok("second"));
    });
    const { session } = await connect(server.address);
    const attempt = start(session, { target: "/1" });
    const { body } = await attempt.reply;
    await (body as ReadableStream).cancel();
    go.resolve();
    await attempt.released;
    assertEnded(attempt);
    assert.equal(session.open, open);
    if (open) assert.equal(await textOf(await start(session, { target: "/2" }).reply), "second");
    session.close();
    if (!open) {
      await until(() => server.error !== undefined, "the upstream saw the end");
      server.error = undefined;
    }
  }
});

Deno.test("HttpSession frees a connection whose short body nobody reads", async () => {
  const go = Promise.withResolvers<void>();
  await using server = new RawServer(async (connection) => {
    await connection.hears("/1");
    await connection.says("HTTP/1.1 200 OK\r\ncontent-length: 30000\r\n\r\nx");
    await go.promise;
    await connection.says("x".repeat(29_999));
    await connection.hears("/2");
    await connection.says(ok("second"));
  });
  const { session } = await connect(server.address);
  const first = start(session, { target: "/1" });
  const { body } = await first.reply;
  assert.ok(body instanceof ReadableStream);
  go.resolve();
  await first.released;
  assert.equal(await textOf(await start(session, { target: "/2" }).reply), "second");
  assert.equal((await new Response(body).text()).length, 30_000);
  session.close();
});

Deno.test("HttpSession waits for 100 Continue, and a second at most", async () => {
  const timers: Array<{ delayMs: number; callback: () => void; cancelled: boolean }> = [];
  await using server = new RawServer(async (connection) => {
    await connection.hears("expect: 100-continue\r\n\r\n");
    await until(() => timers.length === 1, "the body is held back");
    await connection.says("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    await connection.hears("body1");
    await connection.says(ok("one"));
    await connection.hears("body2");
    await connection.says(ok("two"));
    await connection.hears("/3");
    await connection.says("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n");
    await connection.ends();
    assert.match(connection.heard, /length: 5\r\nexpect: 100-continue\r\n\r\nbody1PUT/);
    assert.ok(!connection.heard.includes("body3"));
  });
  const conn = await Deno.connect({ port: server.port, hostname: "127.0.0.1" });
  const clock = {
    ...systemClock,
    after(delayMs: number, callback: () => void) {
      const timer = { delayMs, callback, cancelled: false };
      timers.push(timer);
      return () => void (timer.cancelled = true);
    },
  };
  const session = new HttpSession(conn, { ...hostFor(server.address), clock });
  const ask = (n: number) =>
    start(session, { method: "PUT", target: `/${n}`, body: encoder.encode(`body${n}`), expectContinue: true })
      .reply;
  assert.equal(await textOf(await ask(1)), "one");
  assert.equal(timers[0]!.cancelled, true);
  const second = ask(2);
  await until(() => server.connections[0]!.heard.includes("/2"), "the head was sent");
  assert.ok(!server.connections[0]!.heard.includes("body2"));
  assert.equal(timers[1]!.delayMs, 1000);
  timers[1]!.callback();
  assert.equal(await textOf(await second), "two");
  assert.equal((await ask(3)).status, 417);
  assertClosed(session);
});

Deno.test("HttpSession hands the connection over with 101, and what came behind it", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("connection: upgrade\r\nupgrade: echo\r\n\r\n");
    await connection.says("HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n\r\nwelcome");
    await connection.hears("ping");
    await connection.says("pong");
    await connection.ends();
  });
  const { session } = await connect(server.address);
  const attempt = start(session, { upgrade: "echo" });
  const { status, body, upgraded } = await attempt.reply;
  assert.deepEqual([status, body], [101, null]);
  assertEnded(attempt);
  assertClosed(session);
  session.close(true);
  assert.equal(new TextDecoder().decode(upgraded!.rest), "welcome");
  await upgraded!.stream.write(encoder.encode("ping"));
  const memory = new Uint8Array(10);
  assert.equal(await upgraded!.stream.read(memory), 4);
  assert.equal(new TextDecoder().decode(memory.subarray(0, 4)), "pong");
  upgraded!.stream.close();
});

Deno.test("HttpSession delivers an early refusal, stops sending and closes", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("piece");
    await connection.says("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno");
    await connection.ends();
  });
  const { session } = await connect(server.address);
  const endless = pieces(Array(1_000_000).fill("piece"));
  const attempt = start(session, { method: "POST", body: endless.stream });
  const reply = await attempt.reply;
  assert.deepEqual([reply.status, await textOf(reply)], [413, "no"]);
  await until(() => endless.cancelled, "the body was cancelled");
  assertEnded(attempt);
  assertClosed(session);
});

Deno.test("HttpSession keeps sending while an early good reply streams", async () => {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => new Response(request.body),
  );
  const { session } = await connect(`127.0.0.1:${server.addr.port}`);
  const list = Array.from({ length: 200 }, () => new Uint8Array(20_000).fill(65));
  const attempt = start(session, { method: "POST", body: pieces(list).stream });
  assert.equal((await textOf(await attempt.reply)).length, 4_000_000);
  assertEnded(attempt);
  session.close();
  await server.shutdown();
});

Deno.test("HttpSession fails as cancelled when a body is not as long as declared, or breaks", async () => {
  const broken = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("the source broke")),
    }, { highWaterMark: 0 });
  const cases: Array<[ReadableStream<Uint8Array>, number, RegExp]> = [
    [pieces(["abc"]).stream, 4, /shorter than declared/],
    [pieces(["abc", "de"]).stream, 4, /longer than declared/],
    [broken(), -1, /the source broke/],
  ];
  for (const [body, bodyBytes, message] of cases) {
    await using server = new RawServer((connection) => connection.ends());
    const { session } = await connect(server.address);
    const error = await failureOf(start(session, { method: "POST", body, bodyBytes }), "cancelled", true);
    assert.match(error.message, message);
    assertClosed(session);
    assert.ok(!server.connections[0]!.heard.includes("de"));
  }
});

Deno.test("HttpSession sends nothing of a request whose body was read before", async () => {
  await using server = answering(() => ok("x"));
  const { session } = await connect(server.address);
  const { stream } = pieces(["abc"]);
  stream.getReader();
  await failureOf(start(session, { method: "POST", body: stream }), "cancelled", false);
  assert.equal(await textOf(await start(session).reply), "x");
  session.close();
});

Deno.test("HttpSession pipelines and matches replies in order", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("/4");
    await connection.says([1, 2, 3, 4].map((n) => ok(`reply ${n}`)).join(""));
    await connection.hears("/5");
    await connection.says(ok("reply 5"));
  });
  const { session } = await connect(server.address, planOf({ pipeline: 8 }));
  assert.equal(session.capacity, 8);
  const attempts = [1, 2, 3, 4].map((n) => start(session, { target: `/${n}` }));
  assert.equal(session.inflight, 4);
  assert.ok(session.waitingSince > 0);
  const replies = await Promise.all(attempts.map(async ({ reply }) => await textOf(await reply)));
  assert.deepEqual(replies, ["reply 1", "reply 2", "reply 3", "reply 4"]);
  assert.equal(session.waitingSince, 0);
  assert.equal(await textOf(await start(session, { target: "/5" }).reply), "reply 5");
  attempts.forEach(assertEnded);
  session.close();
});

Deno.test("HttpSession ends when a sent attempt is given up: those behind it fail with reset, unwritten ones as unsent", async () => {
  await using server = new RawServer((connection) => connection.ends());
  const { session } = await connect(server.address, planOf({ pipeline: 8 }));
  const first = start(session, { target: "/1" });
  await until(() => server.connections[0]?.heard.includes("/1") ?? false, "the first was sent");
  const second = start(session, { target: "/2" });
  await until(() => server.connections[0]!.heard.includes("/2"), "the second was sent");
  const endless = pieces(Array(1_000_000).fill("piece"));
  const third = start(session, { target: "/3", method: "PUT", body: endless.stream });
  const fourth = start(session, { target: "/4" });
  session.abandon(first);
  assert.deepEqual([first.settled, first.releases], [0, 1]);
  await failureOf(second, "reset", true);
  await failureOf(third, "reset", true);
  await failureOf(fourth, "reset", false);
  assertClosed(session);
});

Deno.test("HttpSession only forgets an attempt that is given up before it was written", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("0\r\n\r\n");
    await connection.says(ok("one") + ok("three"));
    await connection.ends();
    assert.ok(!connection.heard.includes("/2"));
    assert.ok(connection.heard.includes("/3"));
  });
  const { session } = await connect(server.address, planOf({ pipeline: 8 }));
  const go = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => go.promise.then(() => controller.close()),
  }, { highWaterMark: 0 });
  const first = start(session, { target: "/1", method: "PUT", body });
  const second = start(session, { target: "/2" });
  const third = start(session, { target: "/3" });
  session.abandon(second);
  assert.deepEqual([second.settled, second.releases, session.inflight], [0, 1, 2]);
  go.resolve();
  assert.equal(await textOf(await first.reply), "one");
  assert.equal(await textOf(await third.reply), "three");
  session.close();
});

Deno.test("HttpSession closes when what is in flight is over, or at once", async () => {
  await using server = answering(() => ok("x"));
  const { session } = await connect(server.address);
  const attempt = start(session);
  session.close();
  assert.deepEqual([session.open, session.inflight], [false, 1]);
  assert.equal(await textOf(await attempt.reply), "x");
  assertClosed(session);
  session.close(true);
  const { session: other } = await connect(server.address);
  const cut = start(other);
  other.close(true);
  await failureOf(cut, "reset", true);
  assertClosed(other);
});

Deno.test("HttpSession says unsent only of what could not be written at all", async () => {
  for (const [first, sent] of [[0, false], [3, true]] as const) {
    const reading = Promise.withResolvers<null>();
    let writes = 0;
    const stream = {
      read: () => reading.promise,
      write: () =>
        writes++ === 0 && first > 0 ? Promise.resolve(first) : Promise.reject(new Error("broken pipe")),
      closeWrite: () => Promise.resolve(),
      close: () => reading.resolve(null),
    };
    const session = new HttpSession(stream, hostFor("10.0.0.1:80"));
    const body = pieces(["abc"]);
    const attempt = start(session, { method: "POST", body: body.stream });
    // What was begun is known to be lost only when the reading side says so too.
    if (sent) {
      await until(() => !session.open, "the write failed");
      assert.equal(attempt.settled, 0);
      reading.resolve(null);
    }
    await failureOf(attempt, "write", sent);
    assert.equal(body.taken, 0);
    assertClosed(session);
  }
});
