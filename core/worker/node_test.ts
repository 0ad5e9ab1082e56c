import assert from "node:assert/strict";
import { serve, total } from "./testdata/serve.ts";

const handOff = { accept: { mode: "handOff" } };

Deno.test("a listener over node sockets serves like the native one", async () => {
  await using service = await serve(handOff);
  for (let i = 0; i < 5; i++) assert.equal(await (await fetch(`${service.url}/n`)).text(), "hello /n");
  assert.equal(total(service.memory, "weir_requests_total", { reason: "ok" }), 5);
});

Deno.test("a listener over node sockets refuses what is too large", async () => {
  await using service = await serve({ ...handOff, limits: { body: "100B", url: "64B" } }, "reading");
  const post = await fetch(service.url, { method: "POST", body: "x".repeat(101) });
  assert.equal(post.status, 413);
  await post.body?.cancel();
  const long = await fetch(`${service.url}/${"x".repeat(100)}`);
  assert.equal(long.status, 414);
  await long.body?.cancel();
});

Deno.test("a listener over node sockets streams both ways", async () => {
  await using service = await serve(handOff, "echoing");
  const response = await fetch(service.url, { method: "POST", body: new Uint8Array(1 << 20) });
  assert.equal((await response.bytes()).length, 1 << 20);
});

Deno.test("a listener over node sockets upgrades to WebSocket", async () => {
  const service = await serve(handOff, "socket");
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`);
  await new Promise((resolve) => socket.onopen = resolve);
  const echoed = new Promise((resolve) => socket.onmessage = (event) => resolve(event.data));
  socket.send("hi");
  assert.equal(await echoed, "hi");
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  await service.worker.drain({ keepAcceptingMs: 0, drainMs: 3000, steer: null });
  assert.equal((await closed).code, 1001);
});

Deno.test("a listener over node sockets cuts slow clients", async () => {
  await using service = await serve({
    accept: { mode: "handOff", firstByte: "400ms", headers: "600ms", idle: "500ms" },
  });
  const held = async (text: string) => {
    const conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
    const started = performance.now();
    if (text) await conn.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer).catch(() => null) !== null);
    conn.close();
    return performance.now() - started;
  };
  const [silent, half, idle] = await Promise.all([
    held(""),
    held("GET / HTTP/1.1\r\nhost: x\r\n"),
    held("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
  ]);
  assert.ok(silent! >= 360 && silent! < 600, `silent ${silent}`);
  assert.ok(half! >= 540 && half! < 800, `half ${half}`);
  assert.ok(idle! >= 450 && idle! < 700, `idle ${idle}`);
});

Deno.test("a draining listener over node sockets finishes the answers on their way", async () => {
  const service = await serve(handOff, "echoing");
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      feed = controller;
      controller.enqueue(new Uint8Array(1000));
    },
  });
  const response = await fetch(service.url, { method: "POST", body });
  const reader = response.body!.getReader();
  let received = (await reader.read()).value!.length;
  const left = service.worker.drain({ keepAcceptingMs: 0, drainMs: 5000, steer: null });
  while (service.memory.slot(0).state !== "draining") await new Promise((resolve) => setTimeout(resolve, 5));
  // The drain looks at connections once the port is given back, and then every few milliseconds.
  await assert.rejects(async () => {
    for (;; await new Promise((resolve) => setTimeout(resolve, 30))) {
      (await Deno.connect({ port: service.port, hostname: "127.0.0.1" })).close();
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  feed.enqueue(new Uint8Array(1000));
  feed.close();
  for (let part = await reader.read(); !part.done; part = await reader.read()) received += part.value.length;
  assert.equal(received, 2000);
  assert.equal(await left, 0);
});

Deno.test("a listener over node sockets ends the connection of a body that did not come in time", async () => {
  const service = await serve({ ...handOff, deadline: "600ms" }, "reading");
  const conn = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  await conn.write(new TextEncoder().encode("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf"));
  let text = "";
  const buffer = new Uint8Array(4096);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  conn.close();
  assert.match(text, /^HTTP\/1\.1 504 [^]*connection: close/i);
  // Its handler has learned that nothing more comes: there is nothing to wait for.
  const started = performance.now();
  assert.equal(await service.worker.drain({ keepAcceptingMs: 0, drainMs: 10_000, steer: null }), 0);
  assert.ok(performance.now() - started < 600, "the handler still reads");
});
