import assert from "node:assert/strict";
import type { Context } from "../../core/context.ts";
import { Refusal } from "../../core/errors.ts";
import type { HttpHost } from "./native_connection.ts";
import { originOf } from "./derived_request.ts";
import { listenerService } from "./services.ts";

const context = {} as Context;

/** The service of a listener whose only route has `route`; handlers answer with method, path and body. */
async function serviceOf(route: Record<string, unknown>, seen: Request[] = []) {
  const echo = async (request: Request) => {
    seen.push(request);
    return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`.trim());
  };
  const host = {
    name: "api",
    plan: { run: "inline", routes: [{ match: {}, ...route }] },
    load: () => Promise.resolve(echo),
  };
  return await listenerService(host as unknown as HttpHost);
}

const handler = { module: "file:///x.ts", export: "default" };

for (
  const [prefix, path, wanted] of [
    ["/users", "/users/1", "/1"],
    ["/users", "/users", "/"],
    ["/users", "/users/", "/"],
    ["/users/", "/users/1", "/1"],
    ["/users", "/usersfoo", undefined],
    ["/users", "/other", undefined],
    ["/users", "/users//1", "//1"],
  ] as const
) {
  Deno.test(`rewrite.stripPrefix ${prefix} makes ${path} ${wanted ?? "a refusal"}`, async () => {
    const service = await serviceOf({ handler, rewrite: { stripPrefix: prefix } });
    const answer = await service(new Request(`http://h${path}`), context);
    if (wanted === undefined) return assert.equal((answer as Refusal).reason, "no_route");
    assert.equal(await (answer as Response).text(), `GET ${wanted}`);
  });
}

Deno.test("rewrite.stripPrefix keeps method, query, headers, body, signal and the request that came in", async () => {
  const seen: Request[] = [];
  const service = await serviceOf({ handler, rewrite: { stripPrefix: "/a" } }, seen);
  const stop = new AbortController();
  const init = { method: "POST", body: "text", headers: { "x-a": "b" }, signal: stop.signal };
  const request = new Request("http://h/a/b?c=d", init);
  const answer = await service(request, context) as Response;
  assert.equal(await answer.text(), "POST /b text");
  assert.equal(new URL(seen[0]!.url).search, "?c=d");
  assert.equal(seen[0]!.headers.get("x-a"), "b");
  assert.equal(originOf(seen[0]!), request);
  stop.abort();
  assert.ok(seen[0]!.signal.aborted);
});

for (
  const [respond, status, body, type] of [
    [{ status: 200, body: "pong", headers: {} }, 200, "pong", "text/plain;charset=UTF-8"],
    [{ status: 204, body: "", headers: {} }, 204, "", null],
    [{ status: 304, body: "x", headers: { "x-a": "b" } }, 304, "", null],
    [{ status: 205, body: "x", headers: {} }, 205, "", null],
    [
      { status: 200, body: "{}", headers: { "Content-Type": "application/json" } },
      200,
      "{}",
      "application/json",
    ],
  ] as const
) {
  Deno.test(`respond ${JSON.stringify(respond)} answers so every time`, async () => {
    const service = await serviceOf({ respond });
    for (let i = 0; i < 2; i++) {
      const answer = await service(new Request("http://h/"), context) as Response;
      assert.deepEqual([answer.status, await answer.text()], [status, body]);
      assert.equal(answer.headers.get("content-type"), type);
    }
  });
}
