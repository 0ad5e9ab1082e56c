import assert from "node:assert/strict";
import { freePorts } from "../../tests/provision.ts";
import { bootService, isOk } from "../boot_service.ts";

/** A backend that tells what it was asked; its health is the test's to decide. */
function backend(name: string, port: number) {
  const state = { healthy: true, failing: false, asked: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/healthz") return new Response(null, { status: state.healthy ? 200 : 503 });
    state.asked++;
    if (state.failing) return new Response("failing", { status: 500 });
    const from = request.headers.get("x-forwarded-for");
    return Response.json([name, request.method, pathname + search, from, await request.text()]);
  });
  return { state, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("examples/gateway passes requests on, goes around what fails, and stops cleanly", async () => {
  const [one, two, three] = freePorts(3, { from: 21_600, to: 22_399 }) as [number, number, number];
  const orders = backend("orders", three);
  const second = backend("users-2", two);
  const first = backend("users-1", one);
  await using service = await bootService("examples/gateway/service.yaml", {
    port: 26060,
    path: "/ping",
    env: { USERS_1: `127.0.0.1:${one}`, USERS_2: `127.0.0.1:${two}`, ORDERS: `127.0.0.1:${three}` },
  });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(service.url + path, init);
    return {
      status: response.status,
      reason: response.headers.get("x-weir-reason"),
      text: await response.text(),
    };
  };
  const names = async (count: number) => {
    const found = new Set<string>();
    for (let i = 0; i < count; i++) {
      const { status, text } = await ask("/users/7");
      assert.equal(status, 200, text);
      found.add(JSON.parse(text)[0]);
    }
    return [...found].sort();
  };
  try {
    await service.waitFor("both users are asked", async () => (await names(20)).length === 2);
    assert.deepEqual(JSON.parse((await ask("/users/7?a=b")).text).slice(1), [
      "GET",
      "/7?a=b",
      "127.0.0.1",
      "",
    ]);
    assert.deepEqual(
      JSON.parse((await ask("/orders/7", { method: "POST", body: "two of them" })).text),
      ["orders", "POST", "/orders/7", "127.0.0.1", "two of them"],
    );
    assert.equal((await ask("/orders/7", { method: "DELETE" })).status, 405);
    assert.equal((await ask("/else")).status, 404);

    // One of two goes away: no client notices.
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await names(40), ["users-2"]);

    // What fails all the time is not asked any more.
    orders.state.failing = true;
    await service.waitFor(
      "the breaker of orders opens",
      async () => (await ask("/orders/7")).reason === "breaker_open",
    );
    const { asked } = orders.state;
    assert.equal((await ask("/orders/7")).status, 503);
    assert.equal(orders.state.asked, asked, "nobody was asked");

    await service.waitFor("the meta pages show them", () => isOk(`${service.metaUrl}/upstreams`));
    assert.equal(await service.stop(), 0, service.output());
  } finally {
    await second[Symbol.asyncDispose]();
    await orders[Symbol.asyncDispose]();
  }
});
