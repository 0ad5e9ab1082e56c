import assert from "node:assert/strict";
import { Hono } from "hono";
import { isLazy, pooledRequest } from "./pooled_request.ts";

const url = "http://localhost/a/b?c=d";
const init = () => ({
  method: "POST",
  headers: { "content-type": "application/json", "x-a": "1" },
  body: '{"n":1}',
});

function counted(): { request: Request; made(): number } {
  let made = 0;
  const request = pooledRequest("POST", url, () => {
    made++;
    return new Request(url, init());
  });
  return { request, made: () => made };
}

Deno.test("pooledRequest() makes the request behind only when more than method and URL is asked for, and once", () => {
  const { request, made } = counted();
  assert.ok(isLazy);
  assert.equal(`${request.method} ${request.url}`, `POST ${url}`);
  assert.ok(request instanceof Request);
  assert.equal(request.constructor, Request);
  assert.equal(made(), 0);
  assert.equal(request.headers.get("x-a"), "1");
  assert.equal(request.headers, request.headers);
  assert.equal(request.bodyUsed, false);
  assert.equal(made(), 1);
});

const readers: Array<[string, (request: Request) => unknown]> = [
  ["json()", (request) => request.json()],
  ["text()", (request) => request.text()],
  ["bytes()", (request) => request.bytes()],
  ["arrayBuffer()", (request) => request.arrayBuffer()],
  ["blob()", async (request) => (await request.blob()).text()],
  ["body", (request) => Array.fromAsync(request.body!)],
  ["headers", (request) => [...request.headers]],
  ["clone()", (request) => request.clone().json()],
  ["new Request()", (request) => new Request(request).json()],
  ["new Request() with an init", (request) => new Request(request, { method: "PUT" }).method],
  ["its kinds", ({ mode, redirect, cache, credentials, referrer, keepalive, integrity }) => [
    mode,
    redirect,
    cache,
    credentials,
    referrer,
    keepalive,
    integrity,
  ]],
  ["its signal", ({ signal }) => signal.aborted],
  ["inspect()", (request) => Deno.inspect(request)],
  ["toString()", (request) => String(request)],
];

for (const [name, read] of readers) {
  Deno.test(`pooledRequest() is read like the runtime's own with ${name}`, async () => {
    assert.deepEqual(await read(counted().request), await read(new Request(url, init())));
  });
}

Deno.test("pooledRequest() is used up by its reader, and keeps headers that a handler sets", async () => {
  const { request } = counted();
  request.headers.set("x-b", "2");
  assert.equal(request.clone().headers.get("x-b"), "2");
  await request.text();
  assert.ok(request.bodyUsed);
  await assert.rejects(request.text(), TypeError);
  assert.throws(() => request.clone(), TypeError);
});

Deno.test("pooledRequest() is what fetch() sends", async () => {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => Response.json([request.method, request.headers.get("x-a"), await request.text()]),
  );
  const target = `http://127.0.0.1:${server.addr.port}/`;
  const response = await fetch(pooledRequest("POST", target, () => new Request(target, init())));
  assert.deepEqual(await response.json(), ["POST", "1", '{"n":1}']);
  await server.shutdown();
});

Deno.test("pooledRequest() is served by Hono, mounted applications included", async () => {
  const app = new Hono();
  app.post("/a/b", async (c) => c.json([c.req.query("c"), c.req.header("x-a"), await c.req.json()]));
  app.mount(
    "/sub",
    async (request) => new Response(`${new URL(request.url).pathname} ${await request.text()}`),
  );
  assert.deepEqual(await (await app.fetch(counted().request)).json(), ["d", "1", { n: 1 }]);
  const sub = "http://localhost/sub/x";
  const mounted = await app.fetch(pooledRequest("POST", sub, () => new Request(sub, init())));
  assert.equal(await mounted.text(), '/x {"n":1}');
});
