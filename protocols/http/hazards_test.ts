/**
 * What can go wrong on the wire, against the real server on raw sockets. The runtime parses; what it makes of strange
 * bytes is written down here, so that a new version that thinks otherwise is noticed.
 */
import assert from "node:assert/strict";
import { serve, total } from "../../core/worker/testdata/serve.ts";
import { aborted, endless, seen } from "./testdata/hazard_handlers.ts";

const module = new URL("./testdata/hazard_handlers.ts", import.meta.url).pathname;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

const start = (name: string, keys: Record<string, unknown> = {}) =>
  serve({ handler: `${module}#${name}`, ...keys });

interface Talk {
  /** Sent after the first part, once the loop has turned. */
  then?: string | Uint8Array;
  halfClose?: boolean;
  /** Stop reading when this was read; else the end of the connection is waited for. */
  until?: string | RegExp;
}

/** Sends `first` and reads to the end, or until what is waited for has come. */
async function talk(
  port: number,
  first: string | Uint8Array,
  options: Talk = {},
): Promise<{ text: string; ms: number }> {
  using conn = await Deno.connect({ port, hostname: "127.0.0.1" });
  const started = performance.now();
  const send = async (part: string | Uint8Array) => {
    const bytes = typeof part === "string" ? encoder.encode(part) : part;
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  };
  const sending = (async () => {
    await send(first);
    if (options.halfClose) await conn.closeWrite();
    if (options.then !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await send(options.then);
    }
  })().catch(() => {});
  let text = "";
  const buffer = new Uint8Array(65536);
  const enough = () =>
    typeof options.until === "string" ? text.includes(options.until) : options.until?.test(text) ?? false;
  try {
    while (!enough()) {
      const read = await conn.read(buffer);
      if (read === null) break;
      text += decoder.decode(buffer.subarray(0, read));
    }
  } catch {
    // A reset is an end as well.
  }
  await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 50))]);
  return { text, ms: performance.now() - started };
}

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.[01] (\d+)/g)].map((match) => Number(match[1]));

/** Waits for a fact. */
async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`never: ${what}`);
}

// ---- the probe table: what the parser makes of it, and no smuggling

const post = (headers: string, body: string) =>
  `POST /first HTTP/1.1\r\nhost: x\r\n${headers}\r\n\r\n${body}`;
const smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
const chunked = "transfer-encoding: chunked";
const get = (lines: string) => `GET /first HTTP/1.1\r\nhost: x\r\n${lines}\r\n`;

/** What is sent; the statuses that come back; what the handler gets. */
const probes: Array<[name: string, bytes: string, statuses: number[], handled: string[]]> = [
  ["CL and TE", post(`content-length: 5\r\n${chunked}`, "0\r\n\r\n" + smuggled), [400], []],
  ["TE and CL", post(`${chunked}\r\ncontent-length: 5`, "0\r\n\r\n" + smuggled), [400], []],
  ["two CL that differ", post("content-length: 5\r\ncontent-length: 6", "abcde"), [400], []],
  ["two CL in one", post("content-length: 5, 5", "abcde"), [400], []],
  ["the same CL twice", post("content-length: 5\r\ncontent-length: 5", "abcde"), [200], [
    "POST /first abcde",
  ]],
  ["CL with a plus", post("content-length: +5", "abcde"), [400], []],
  ["negative CL", post("content-length: -5", "abcde"), [400], []],
  ["hexadecimal CL", post("content-length: 0x5", "abcde"), [400], []],
  ["empty CL", post("content-length:", "abcde"), [400], []],
  ["CL of 20 digits", post("content-length: 99999999999999999999", "abcde"), [400], []],
  ["CL of 18 digits", post("content-length: 999999999999999999", "abcde"), [413], []],
  ["TE xchunked", post("transfer-encoding: xchunked", "5\r\nabcde\r\n0\r\n\r\n"), [400], []],
  ["TE chunked twice", post("transfer-encoding: chunked, chunked", "0\r\n\r\n"), [400], []],
  ["TE chunked, identity", post("transfer-encoding: chunked, identity", "0\r\n\r\n"), [400], []],
  ["TE in two lines", post(`${chunked}\r\n${chunked}`, "0\r\n\r\n"), [400], []],
  ["TE gzip, chunked", post("transfer-encoding: gzip, chunked", "0\r\n\r\n"), [400], []],
  ["TE with a blank before the colon", post("transfer-encoding : chunked", "0\r\n\r\n"), [400], []],
  ["TE under HTTP/1.0", `POST / HTTP/1.0\r\n${chunked}\r\n\r\n0\r\n\r\n`, [400], []],
  ["chunk size with a plus", post(chunked, "+5\r\nabcde\r\n0\r\n\r\n"), [], []],
  ["chunk size 0x5", post(chunked, "0x5\r\nabcde\r\n0\r\n\r\n"), [], []],
  ["chunk size that overflows", post(chunked, "ffffffffffffffff1\r\nabcde\r\n0\r\n\r\n"), [], []],
  ["chunk without its end of line", post(chunked, "5\r\nabcdeXX0\r\n\r\n"), [], []],
  ["obs-fold", get("x-a: b\r\n c\r\n"), [400], []],
  ["NUL in a value", get("x-a: b\0c\r\n"), [400], []],
  ["bare CR in a value", get("x-a: b\rc\r\n"), [400], []],
  ["two Hosts", get("host: y\r\n"), [400], []],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nhost: x\r\n\r\n", [400], []],
  ["HTTP/0.9", "GET /\r\n", [400], []],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400], []],
  ["a path in the Host", "GET /first HTTP/1.1\r\nhost: a/b?c\r\n\r\n", [400], []],
  ["CONNECT", "CONNECT a.b:443 HTTP/1.1\r\nhost: a.b:443\r\n\r\n", [405], []],
  ["129 headers", get("x-a: b\r\n".repeat(129)), [400], []],
  ["HTTP/1.0", "GET /first HTTP/1.0\r\n\r\n", [200], ["GET /first"]],
  ["close by the client", get("connection: close\r\n"), [200], ["GET /first"]],
  [
    "a body with GET",
    get(`content-length: ${smuggled.length}\r\n`) + smuggled +
    "GET /2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    [
      200,
      200,
    ],
    ["GET /first", "GET /2"],
  ],
];

for (const [name, bytes, wanted, handled] of probes) {
  Deno.test(`on the wire: ${name}`, async () => {
    await using service = await start("reading", {
      accept: { idle: "300ms", headers: "300ms", firstByte: "300ms" },
    });
    seen.length = 0;
    // Bytes as they are: text would become UTF-8.
    const { text } = await talk(service.port, Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
    assert.deepEqual(statuses(text), wanted);
    assert.deepEqual(seen, handled);
  });
}

Deno.test("on the wire: chunks, extensions and trailers, and the next request behind them", async () => {
  await using service = await start("reading");
  seen.length = 0;
  const body = "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: y\r\n\r\n";
  const { text } = await talk(service.port, post(chunked, body) + get("connection: close\r\n"));
  assert.deepEqual(statuses(text), [200, 200]);
  assert.deepEqual(seen, ["POST /first abcde", "GET /first"]);
});

// ---- heads

Deno.test("a head of 64 KiB and more ends in a refusal and a close, whatever its shape", async () => {
  await using service = await start("ignoring");
  const heads = [17_000, 65_000, 70_000, 300_000].flatMap((size) => [
    { size, head: get(`x-a: ${"b".repeat(size)}\r\n`) },
    { size, head: `GET /${"u".repeat(size)} HTTP/1.1\r\nhost: x\r\n\r\n` },
  ]);
  await Promise.all(heads.map(async ({ size, head }) => {
    const [status] = statuses((await talk(service.port, head)).text);
    // The runtime resets a peer that still sends beyond its own 64 KiB.
    assert.ok(status === undefined ? size > 65_000 : [400, 414, 431].includes(status), `${size}: ${status}`);
  }));
});

Deno.test("head_too_large and url_too_long close the connection under their own reason", async () => {
  await using service = await start("ignoring", { limits: { url: "64B", headers: "512B" } });
  const url = await talk(service.port, `GET /${"u".repeat(100)} HTTP/1.1\r\nhost: x\r\n\r\n`);
  assert.match(url.text, /^HTTP\/1\.1 414 .*x-weir-reason: url_too_long/s);
  const head = await talk(service.port, get(`x-a: ${"b".repeat(600)}\r\n`));
  assert.match(head.text, /^HTTP\/1\.1 431 .*x-weir-reason: head_too_large/s);
  for (const reason of ["url_too_long", "head_too_large"]) {
    assert.equal(total(service.memory, "weir_connections_closed_total", { reason }), 1);
    assert.equal(total(service.memory, "weir_requests_total", { reason }), 1);
  }
  assert.equal(total(service.memory, "weir_responses_total", { status: "4xx" }), 2);
});

// ---- bodies

Deno.test("a large body that no handler reads: the answer comes, then the connection ends", async () => {
  await using service = await start("ignoring");
  const { text, ms } = await talk(service.port, post("content-length: 200000", "x".repeat(100_000)));
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.match(text, /connection: close/i);
  assert.ok(ms < 3000, `${ms} ms`);
});

Deno.test("a small body that no handler reads leaves the connection usable", async () => {
  await using service = await start("ignoring");
  const { text } = await talk(
    service.port,
    post("content-length: 5", "abcde") + get("connection: close\r\n"),
  );
  assert.deepEqual(statuses(text), [200, 200]);
});

Deno.test("a chunked body that no handler reads ends the connection", async () => {
  await using service = await start("ignoring");
  const { text, ms } = await talk(service.port, post(chunked, "5\r\nabcde\r\n"), { then: "5\r\nabcde\r\n" });
  assert.deepEqual(statuses(text), [200]);
  assert.ok(ms < 3000, `${ms} ms`);
});

Deno.test("an endless chunked body is refused at limits.body, in bounded memory", async () => {
  await using service = await start("reading", { limits: { body: "1MiB" } });
  seen.length = 0;
  using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(encoder.encode(post(chunked, "")));
  const chunk = encoder.encode("10000\r\n" + "x".repeat(65536) + "\r\n");
  const before = Deno.memoryUsage().rss;
  let sent = 0;
  const sending = (async () => {
    try {
      for (;;) sent += await conn.write(chunk);
    } catch {
      // Cut, as it must be.
    }
  })();
  let text = "";
  const buffer = new Uint8Array(4096);
  for (
    let n = await conn.read(buffer).catch(() => null);
    n !== null;
    n = await conn.read(buffer).catch(() => null)
  ) {
    text += decoder.decode(buffer.subarray(0, n));
  }
  await sending;
  assert.match(text, /^HTTP\/1\.1 413 .*x-weir-reason: body_too_large/s);
  assert.deepEqual(seen, []);
  const grownBytes = Deno.memoryUsage().rss - before;
  assert.ok(grownBytes < 100 * 1024 * 1024, `${grownBytes} bytes after ${sent}`);
});

Deno.test("Expect: 100-continue is answered before the handler decides, and the refusal closes", async () => {
  await using service = await start("reading", { limits: { body: "10B" } });
  const { text } = await talk(service.port, post("expect: 100-continue\r\ncontent-length: 11", ""));
  assert.deepEqual(statuses(text), [100, 413]);
});

Deno.test("an echoed upload comes back whole; the runtime ends the connection with it", async () => {
  await using service = await start("echoing");
  const large = "y".repeat(100_000);
  const sized = await talk(service.port, post(`content-length: ${large.length}`, large));
  assert.equal(sized.text.split("y").length - 1, 100_000);
  const pieces = await talk(service.port, post(chunked, "5\r\nyyyyy\r\n"), {
    then: "5\r\nyyyyy\r\n0\r\n\r\n",
  });
  assert.equal(pieces.text.split("y").length - 1, 10);
  assert.ok(sized.ms < 900 && pieces.ms < 900, "ends with the answer");
});

Deno.test("a client that leaves in the middle of its body leaves nothing behind", async () => {
  await using service = await start("reading");
  using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(encoder.encode(post("content-length: 100", "abc")));
  await eventually(() => total(service.memory, "weir_requests_in_flight") === 1, "in flight");
  conn.close();
  await eventually(() => total(service.memory, "weir_requests_in_flight") === 0, "request over");
  await eventually(() => total(service.memory, "weir_connections_open") === 0, "connection over");
  assert.equal(total(service.memory, "weir_requests_total", { reason: "client_left" }), 1);
});

// ---- answers

Deno.test("connection: close set by a handler really closes", async () => {
  await using service = await start("closing");
  const { text, ms } = await talk(service.port, get(""));
  assert.match(text, /connection: close/i);
  assert.ok(ms < 1500, `${ms} ms`);
});

for (
  const [head, name] of [
    ["GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "HTTP/1.1 with connection: close"],
    ["GET / HTTP/1.1\r\nhost: x\r\nconnection: x-b, Close\r\n\r\n", "close among other options"],
    ["GET / HTTP/1.0\r\n\r\n", "HTTP/1.0"],
  ] as const
) {
  Deno.test(`${name} closes at once`, async () => {
    await using service = await start("ignoring");
    const { text, ms } = await talk(service.port, head);
    assert.deepEqual(statuses(text), [200]);
    assert.ok(ms < 500, `${ms} ms`);
  });
}

Deno.test("HTTP/1.0 with keep-alive keeps alive", async () => {
  await using service = await start("ignoring");
  const again = "GET /2 HTTP/1.0\r\n\r\n";
  const { text } = await talk(service.port, "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", {
    then: again,
  });
  assert.deepEqual(statuses(text), [200, 200]);
});

Deno.test("HEAD, 204, 205 and 304 have no body, and the next answer follows at once", async () => {
  await using service = await start("byPath");
  const ask = (method: string, path: string) => `${method} ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
  const all = ask("HEAD", "/") + ask("GET", "/204") + ask("GET", "/205") + ask("GET", "/304");
  const { text } = await talk(
    service.port,
    all + "GET /404 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  );
  assert.deepEqual(statuses(text), [200, 204, 205, 304, 404]);
  assert.equal(text.split("body").length, 2);
});

Deno.test("an answer whose source breaks ends without its end mark", async () => {
  await using service = await start("breaking");
  const { text } = await talk(service.port, get(""));
  assert.match(text, /^HTTP\/1\.1 200 .*part/s);
  assert.ok(!text.endsWith("0\r\n\r\n"));
  await eventually(() => total(service.memory, "weir_connections_open") === 0, "connection over");
});

for (const name of ["used", "nothing", "networkError"]) {
  Deno.test(`an answer that cannot be sent (${name}) is a handler_error everywhere`, async () => {
    await using service = await start(name);
    const { text } = await talk(service.port, get("connection: close\r\n"));
    assert.match(text, /^HTTP\/1\.1 500 .*x-weir-reason: handler_error/s);
    assert.equal(total(service.memory, "weir_requests_total", { reason: "handler_error" }), 1);
    assert.equal(total(service.memory, "weir_responses_total", { status: "5xx" }), 1);
  });
}

Deno.test("an answer that was given before is a handler_error the second time", async () => {
  await using service = await start("sameAgain");
  const { text } = await talk(service.port, get("") + get("connection: close\r\n"));
  assert.deepEqual(statuses(text), [200, 500]);
  assert.equal(total(service.memory, "weir_requests_total", { reason: "handler_error" }), 1);
});

// ---- peers that leave, wait or do not read

for (
  const [name, wanted] of [["ignoring", "ok"], ["waiting", "waited"], [
    "streaming",
    "part2 part1 part0 ",
  ]] as const
) {
  Deno.test(`a client that shuts down its sending side still gets its answer (${name})`, async () => {
    await using service = await start(name);
    const { text } = await talk(service.port, get(""), { halfClose: true });
    const plain = text.replaceAll(/\r\n[0-9a-f]+\r\n/g, "");
    assert.deepEqual(statuses(text), [200]);
    assert.ok(plain.includes(wanted), text);
    await eventually(() => total(service.memory, "weir_connections_open") === 0, "connection over");
  });
}

Deno.test("ctx.signal aborts with client_left soon after the client has left", async () => {
  await using service = await start("waiting");
  aborted.length = 0;
  using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(encoder.encode(get("")));
  await eventually(() => total(service.memory, "weir_requests_in_flight") === 1, "in flight");
  conn.close();
  const left = performance.now();
  await eventually(() => aborted.length > 0, "aborted");
  assert.deepEqual(aborted, ["client_left"]);
  assert.ok(performance.now() - left < 120);
  await eventually(
    () => total(service.memory, "weir_requests_total", { reason: "client_left" }) === 1,
    "counted",
  );
  await eventually(() => total(service.memory, "weir_connections_open") === 0, "connection over");
});

Deno.test("a request whose client left while it waited for its turn is not run", async () => {
  await using service = await start("waiting", {
    admit: { concurrency: 1, queue: 4, wait: "5s" },
    deadline: "10s",
  });
  const first = talk(service.port, get("connection: close\r\n"));
  await eventually(() => total(service.memory, "weir_requests_in_flight") === 1, "one runs");
  using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(encoder.encode(get("")));
  await eventually(() => total(service.memory, "weir_requests_in_flight") === 2, "one waits");
  conn.close();
  await first;
  await eventually(
    () => total(service.memory, "weir_requests_total", { reason: "client_left" }) === 1,
    "refused",
  );
  assert.equal(total(service.memory, "weir_requests_total"), 2);
});

for (const name of ["unending", "large"]) {
  Deno.test(`a client that never reads its ${name} answer is cut in bounded memory`, async () => {
    await using service = await start(name, { accept: { idle: "500ms" } });
    endless.produced = 0;
    using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
    await conn.write(encoder.encode(get("")));
    const started = performance.now();
    const cut = () =>
      total(service.memory, "weir_connections_closed_total", { reason: "write_timeout" }) === 1;
    await eventually(cut, "cut");
    assert.ok(performance.now() - started >= 400);
    assert.ok(endless.produced < 32 * 1024 * 1024, `${endless.produced} bytes produced`);
    await eventually(() => total(service.memory, "weir_connections_open") === 0, "connection over");
  });
}

Deno.test("a slow reader of a large file that makes progress is not cut", async () => {
  const folder = await Deno.makeTempDir();
  const size = 12 * 1024 * 1024;
  await Deno.writeFile(`${folder}/large.bin`, new Uint8Array(size));
  const accept = { idle: "300ms" };
  await using service = await serve({
    handler: null,
    accept,
    routes: [{ match: { path: "/*" }, files: folder }],
  });
  using conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(encoder.encode("GET /large.bin HTTP/1.1\r\nhost: x\r\n\r\n"));
  const buffer = new Uint8Array(1024 * 1024);
  let received = 0;
  const started = performance.now();
  while (received < size) {
    const read = await conn.read(buffer);
    assert.notEqual(read, null, `cut after ${received} bytes`);
    received += read!;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  assert.ok(performance.now() - started > 600, "slower than the limit");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("pipelined requests are answered in order", async () => {
  await using service = await start("reading");
  seen.length = 0;
  const all = [1, 2, 3].map((i) => `POST /${i} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n${i}`).join(
    "",
  );
  const { text } = await talk(service.port, all + get("connection: close\r\n"));
  assert.deepEqual(statuses(text), [200, 200, 200, 200]);
  assert.deepEqual(seen, ["POST /1 1", "POST /2 2", "POST /3 3", "GET /first"]);
});

Deno.test("a field that the runtime does not survive sending is an error of the handler", async () => {
  await using service = await start("reflecting");
  const statusOf = async (path: string) => {
    const answer = await fetch(service.url + path);
    await answer.body?.cancel();
    return answer.status;
  };
  for (const kind of ["t", "h"]) {
    assert.equal(await statusOf(`/${kind}text%2Fplain`), 200);
    for (const bad of ["%01", "a%1fb", "%7f"]) {
      assert.equal(await statusOf(`/${kind}${bad}`), 500, kind + bad);
    }
  }
  assert.equal(total(service.memory, "weir_requests_total", { reason: "handler_error" }), 6);
});
