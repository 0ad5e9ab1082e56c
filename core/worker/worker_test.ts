import assert from "node:assert/strict";
import { handlers, serve, total } from "./testdata/serve.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends `text` and reads until the server closes; how long that took, and what came. */
async function untilClosed(
  port: number,
  text: string,
  drip?: { text: string; everyMs: number },
): Promise<{ ms: number; text: string }> {
  const conn = await Deno.connect({ port, hostname: "127.0.0.1" });
  const started = performance.now();
  if (text !== "") await conn.write(encoder.encode(text));
  let at = 0;
  const timer = drip &&
    setInterval(() => {
      conn.write(encoder.encode(drip.text[at++ % drip.text.length]!)).catch(() => clearInterval(timer));
    }, drip.everyMs);
  const buffer = new Uint8Array(65536);
  let got = "";
  try {
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      got += decoder.decode(buffer.subarray(0, n));
    }
  } catch {
    // A reset is an end as well.
  }
  clearInterval(timer);
  conn.close();
  return { ms: performance.now() - started, text: got };
}

function near(actualMs: number, wantedMs: number): void {
  assert.ok(
    actualMs >= wantedMs * 0.9 && actualMs <= wantedMs * 1.1 + 60,
    `${actualMs.toFixed(0)} ms is not near ${wantedMs} ms`,
  );
}

Deno.test("startWorker() serves a handler and counts its requests", async () => {
  await using service = await serve({});
  const response = await fetch(`${service.url}/x`);
  assert.equal(await response.text(), "hello /x");
  assert.equal(total(service.memory, "weir_requests_total", { reason: "ok" }), 1);
});

Deno.test("startWorker() answers 500 without a trace when the handler throws", async () => {
  await using service = await serve({}, "throwing");
  const response = await fetch(service.url);
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("x-weir-reason"), "handler_error");
  assert.ok(!(await response.text()).includes("secret"));
});

Deno.test("startWorker() answers 504 when the deadline passes and aborts the handler's signal", async () => {
  await using service = await serve({ deadline: "200ms" }, "waiting");
  const started = performance.now();
  const response = await fetch(`${service.url}/?ms=5000`);
  assert.equal(response.status, 504);
  await response.body?.cancel();
  near(performance.now() - started, 200);
  const { aborted } = await import("./testdata/handlers.ts");
  assert.equal(await aborted.promise, "deadline");
});

Deno.test("startWorker() runs as many as may run, queues as many as may wait, refuses the rest at once", async () => {
  await using service = await serve(
    { admit: { concurrency: 1, queue: 4, wait: "5s" }, deadline: "10s" },
    "waiting",
  );
  const started = performance.now();
  const answers = await Promise.all(Array.from({ length: 20 }, async () => {
    const response = await fetch(`${service.url}/?ms=100`);
    await response.body?.cancel();
    return {
      status: response.status,
      reason: response.headers.get("x-weir-reason"),
      ms: performance.now() - started,
    };
  }));
  assert.equal(answers.filter((answer) => answer.status === 200).length, 5);
  const refused = answers.filter((answer) => answer.status === 503);
  assert.equal(refused.length, 15);
  assert.ok(refused.every((answer) => answer.reason === "queue_full"));
});

Deno.test("startWorker() refuses what waited longer than admit.wait", async () => {
  await using service = await serve(
    { admit: { concurrency: 1, queue: 4, wait: "100ms" }, deadline: "10s" },
    "waiting",
  );
  const first = fetch(`${service.url}/?ms=600`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const started = performance.now();
  const second = await fetch(`${service.url}/?ms=1`);
  near(performance.now() - started, 100);
  assert.equal(second.headers.get("x-weir-reason"), "queue_timeout");
  assert.equal(second.headers.get("retry-after"), "1");
  await second.body?.cancel();
  await (await first).body?.cancel();
});

Deno.test("Guard cuts each kind of slow client at its own limit", async () => {
  await using service = await serve({
    accept: { firstByte: "600ms", headers: "800ms", body: "1000ms", idle: "700ms" },
    deadline: "10s",
  }, "reading");
  const head = "GET / HTTP/1.1\r\nhost: x\r\n";
  const [silent, half, drip, idle, body] = await Promise.all([
    untilClosed(service.port, ""),
    untilClosed(service.port, head),
    untilClosed(service.port, head + "x-a: ", { text: "b", everyMs: 50 }),
    untilClosed(service.port, head + "\r\n"),
    untilClosed(service.port, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", {
      text: "b",
      everyMs: 50,
    }),
  ]);
  near(silent.ms, 600);
  near(half.ms, 800);
  near(drip.ms, 800);
  near(idle.ms, 700);
  near(body.ms, 1000);
  assert.match(idle.text, /^HTTP\/1.1 200/);
  for (const reason of ["first_byte_timeout", "head_timeout", "body_timeout", "idle_timeout"]) {
    assert.ok(total(service.memory, "weir_connections_closed_total", { reason }) >= 1, reason);
  }
});

Deno.test("Guard refuses connections beyond its limit and says why", async () => {
  await using service = await serve({ accept: { connections: 2 } });
  const held = await Promise.all(
    [1, 2].map(() => Deno.connect({ port: service.port, hostname: "127.0.0.1" })),
  );
  for (const conn of held) {
    await conn.write(encoder.encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    await conn.read(new Uint8Array(4096));
  }
  const refused = await untilClosed(service.port, "");
  assert.match(refused.text, /^HTTP\/1.1 503 .*x-weir-reason: connections_full/s);
  for (const conn of held) conn.close();
});

Deno.test("Guard limits connections per address", async () => {
  await using service = await serve({ accept: { perAddress: 1 } });
  const held = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await held.write(encoder.encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
  await held.read(new Uint8Array(4096));
  assert.match((await untilClosed(service.port, "")).text, /address_full/);
  held.close();
});

Deno.test("http refuses heads, URLs and bodies over their limits", async () => {
  await using service = await serve({ limits: { url: "64B", headers: "512B", body: "100B" } }, "reading");
  const status = async (path: string, init?: RequestInit) => {
    const response = await fetch(service.url + path, init);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("/" + "x".repeat(100)), 414);
  assert.equal(await status("/", { headers: { "x-large": "y".repeat(600) } }), 431);
  assert.equal(await status("/", { method: "POST", body: "z".repeat(101) }), 413);
  assert.equal(await status("/", { method: "POST", body: "z".repeat(100) }), 200);
  const chunks = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 20; i++) controller.enqueue(encoder.encode("z".repeat(10)));
      controller.close();
    },
  });
  assert.equal(await status("/", { method: "POST", body: chunks }), 413);
});

Deno.test("a draining worker answers what is in flight, says goodbye and leaves nothing behind", async () => {
  const service = await serve({ deadline: "10s" }, "waiting");
  const slow = fetch(`${service.url}/?ms=400`);
  const idle = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await idle.write(encoder.encode("GET /?ms=0 HTTP/1.1\r\nhost: x\r\n\r\n"));
  await idle.read(new Uint8Array(4096));
  const left = service.worker.drain({ keepAcceptingMs: 0, drainMs: 5000, steer: null });
  const response = await slow;
  assert.equal(await response.text(), "waited");
  assert.equal(response.headers.get("connection"), "close");
  assert.equal(await left, 0);
  assert.equal(await idle.read(new Uint8Array(16)), null);
  idle.close();
  await assert.rejects(Deno.connect({ port: service.port, hostname: "127.0.0.1" }));
});

Deno.test("a WebSocket works and is closed with 1001 by a drain", async () => {
  const service = await serve({}, "socket");
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`);
  await new Promise((resolve) => socket.onopen = resolve);
  const echoed = new Promise((resolve) => socket.onmessage = (event) => resolve(event.data));
  socket.send("hi");
  assert.equal(await echoed, "hi");
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  assert.equal(await service.worker.drain({ keepAcceptingMs: 0, drainMs: 3000, steer: null }), 0);
  assert.equal((await closed).code, 1001);
});

Deno.test("a stream in both directions passes with back-pressure", async () => {
  await using service = await serve({ limits: { body: "64MiB" } }, "echoing");
  let produced = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (produced >= 8 * 1024 * 1024) return controller.close();
      produced += 65536;
      controller.enqueue(new Uint8Array(65536));
    },
  });
  const response = await fetch(service.url, { method: "POST", body });
  let received = 0;
  for await (const chunk of response.body!) received += chunk.length;
  assert.equal(received, 8 * 1024 * 1024);
});

Deno.test("routes answer by path, method and host; files cannot be left", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/a.txt`, "0123456789");
  await Deno.writeTextFile(`${folder}/.hidden`, "no");
  await Deno.symlink("/etc/hostname", `${folder}/link`);
  await using service = await serve({
    handler: null,
    routes: [
      { match: { path: "/ping", methods: ["GET"] }, respond: { status: 200, body: "pong" } },
      { match: { path: "/assets/*" }, files: folder },
      { match: { path: "/code" }, handler: handlers },
    ],
  });
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(service.url + path, init);
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  assert.equal((await get("/ping")).text, "pong");
  assert.equal((await get("/ping", { method: "POST" })).status, 405);
  assert.equal((await get("/nothing")).status, 404);
  assert.equal((await get("/code")).text, "hello /code");
  const file = await get("/assets/a.txt");
  assert.equal(file.text, "0123456789");
  assert.equal(
    (await get("/assets/a.txt", { headers: { "if-none-match": file.headers.get("etag")! } })).status,
    304,
  );
  const part = await get("/assets/a.txt", { headers: { range: "bytes=2-4" } });
  assert.deepEqual([part.status, part.text], [206, "234"]);
  assert.equal((await get("/assets/a.txt", { headers: { range: "bytes=20-" } })).status, 416);
  for (
    const path of [
      "/assets/.hidden",
      "/assets/link",
      "/assets/%2e%2e/%2e%2e/etc/passwd",
      "/assets/..%2fa.txt",
    ]
  ) {
    assert.equal((await get(path)).status, 404, path);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("one flooding pipeliner does not starve the others", async () => {
  await using service = await serve({});
  const flood = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  const many = encoder.encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20_000));
  const sink = new Uint8Array(1 << 20);
  const reading = (async () => {
    try {
      while (await flood.read(sink) !== null);
    } catch {
      // Closed below.
    }
  })();
  const writing = (async () => {
    try {
      for (let at = 0; at < many.length;) at += await flood.write(many.subarray(at));
    } catch {
      // Closed below.
    }
  })();
  let slowest = 0;
  for (let i = 0; i < 50; i++) {
    const started = performance.now();
    await (await fetch(service.url)).text();
    slowest = Math.max(slowest, performance.now() - started);
  }
  flood.close();
  await Promise.all([reading, writing]);
  assert.ok(slowest < 500, `slowest ${slowest} ms`);
});

Deno.test("accept errors neither end the port nor spin", async () => {
  const { acceptBackoffMs } = await import("./listening.ts");
  assert.deepEqual([1, 2, 3, 10, 100].map(acceptBackoffMs), [10, 20, 40, 1000, 1000]);
});
