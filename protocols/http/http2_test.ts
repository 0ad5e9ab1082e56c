/** Many requests on one HTTP/2 connection: what ends one of them must not end the others. */
import assert from "node:assert/strict";
import { serve, total } from "../../core/worker/testdata/serve.ts";
import { makeCertificates } from "../../tests/make_certificates.ts";

const module = new URL("./testdata/hazard_handlers.ts", import.meta.url).pathname;

async function start(name: string, keys: Record<string, unknown> = {}) {
  const folder = await makeCertificates(["localhost"]);
  const tls = { cert: `${folder}/localhost.pem`, key: `${folder}/localhost.key` };
  const service = await serve({ handler: `${module}#${name}`, tls, ...keys });
  const caCerts = [await Deno.readTextFile(`${folder}/ca.pem`)];
  const client = Deno.createHttpClient({ caCerts, http1: false, http2: true });
  return {
    service,
    ask: (path: string, init: RequestInit = {}) =>
      fetch(`https://localhost:${service.port}${path}`, { ...init, client } as RequestInit),
    async [Symbol.asyncDispose]() {
      client.close();
      await service[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("HTTP/2: a body that trickles beyond accept.body does not end its neighbours", async () => {
  await using server = await start("reading", { accept: { body: "300ms" }, deadline: "10s" });
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
  const slow = server.ask("/slow", { method: "POST", body });
  for (let i = 0; i < 15; i++) {
    feed.enqueue(new Uint8Array(1));
    assert.equal(await (await server.ask(`/${i}`)).text(), "ok");
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  feed.close();
  assert.equal((await slow).status, 200);
  await (await slow).body?.cancel();
  assert.equal(total(server.service.memory, "weir_connections_accepted_total"), 1);
});

Deno.test("HTTP/2: refusals end their request and keep the connection", async () => {
  await using server = await start("waiting", { limits: { url: "64B", body: "100B" } });
  const answers = await Promise.all([
    server.ask("/"),
    server.ask(`/${"u".repeat(100)}`),
    server.ask("/", { method: "POST", body: "x".repeat(101) }),
    server.ask("/"),
  ]);
  assert.deepEqual(answers.map((answer) => answer.status), [200, 414, 413, 200]);
  for (const answer of answers) await answer.body?.cancel();
  // Longer than a refused HTTP/1.1 connection has to live.
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(await (await server.ask("/")).text(), "waited");
  assert.equal(total(server.service.memory, "weir_connections_accepted_total"), 1);
  assert.equal(total(server.service.memory, "weir_requests_in_flight"), 0);
});

Deno.test("HTTP/2: an idle connection is cut at its limit, and no earlier request counts against it", async () => {
  await using server = await start("ignoring", { accept: { idle: "400ms" } });
  const { memory } = server.service;
  await Promise.all([1, 2, 3].map(async (i) => await (await server.ask(`/${i}`)).text()));
  const started = performance.now();
  while (total(memory, "weir_connections_open") > 0) {
    assert.ok(performance.now() - started < 3000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(performance.now() - started > 300);
  assert.equal(total(memory, "weir_connections_closed_total", { reason: "idle_timeout" }), 1);
});

Deno.test("HTTP/2: a connection that a drain has shut down ends, although a stream of it never does", async () => {
  const server = await start("unending");
  const answer = await server.ask("/");
  const reader = answer.body!.getReader();
  await reader.read();
  const started = performance.now();
  const left = await server.service.worker.drain({ keepAcceptingMs: 0, drainMs: 500, steer: null });
  assert.equal(left, 1);
  assert.ok(performance.now() - started < 3000);
  await reader.cancel().catch(() => {});
  await server[Symbol.asyncDispose]();
});

Deno.test("HTTP/2: a body of no declared length is bounded like every other", async () => {
  await using server = await start("reading", { limits: { body: "100B" } });
  const streamed = (bytes: number) =>
    server.ask("/", { method: "POST", body: new Blob([new Uint8Array(bytes)]).stream() });
  for (const [bytes, status] of [[100, 200], [101, 413]] as const) {
    const answer = await streamed(bytes);
    assert.equal(answer.status, status);
    await answer.body?.cancel();
  }
});
