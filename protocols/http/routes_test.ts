import assert from "node:assert/strict";
import type { Context } from "../../core/context.ts";
import { Refusal } from "../../core/errors.ts";
import { type HttpService, MethodRefusal, pathOf, routeTable } from "./routes.ts";

const context = {} as Context;
const named = (name: string): HttpService => () => new Response(name);

function table(matches: Array<{ path?: string; methods?: string[]; host?: string }>, fallback = true) {
  const routes = matches.map(({ path = null, methods = null, host = null }, i) => ({
    match: { path, methods, host },
    service: named(String(i)),
  }));
  return routeTable(routes, fallback ? named("fallback") : undefined);
}

/** A request with the URL as it came: the constructor would put it in order. */
function ask(url: string, method = "GET"): Request {
  return { url: url.startsWith("/") ? `http://host${url}` : url, method } as Request;
}

async function answered(service: HttpService, request: Request): Promise<string | Refusal> {
  const answer = await service(request, context);
  return answer instanceof Refusal ? answer : await answer.text();
}

for (
  const [url, path] of [
    ["http://h/a?b=/c", "/a"],
    ["http://h", "/"],
    ["http://h:80/a/b", "/a/b"],
    ["http://h/a/../b", "/b"],
    ["http://h/a/%2e%2E/b", "/b"],
    ["http://h/a/%252e%252e/b", "/a/%2e%2e/b"],
    ["http://h/a/./b", "/a/b"],
    ["http://h/a\\b", "/a/b"],
    ["http://h/a#b", "/a"],
    ["http://h/%61", "/a"],
    ["http://h/a%2Fb", "/a%2Fb"],
    ["http://h/%ff", "/%ff"],
    ["http://h/.a", "/.a"],
  ]
) {
  Deno.test(`pathOf() of ${url} is ${path}`, () => assert.equal(pathOf(url!), path));
}

for (
  const [path, url, matches] of [
    ["/users/*", "/users/1", true],
    ["/users/*", "/users/", true],
    ["/users/*", "/users", true],
    ["/users/*", "/usersfoo", false],
    ["/users/*", "/a/../users/1", true],
    ["/users/*", "/%75sers/1", true],
    ["/users/*", "/users/../admin", false],
    ["/users*", "/usersfoo", true],
    ["/users", "/users", true],
    ["/users", "/users?a", true],
    ["/users", "/users/", false],
    ["/users", "/Users", false],
    ["/*", "/", true],
  ] as const
) {
  Deno.test(`routeTable() ${matches ? "takes" : "passes over"} ${url} for ${path}`, async () => {
    assert.equal(await answered(table([{ path }]), ask(url)), matches ? "0" : "fallback");
  });
}

Deno.test("routeTable() takes the first route that matches", async () => {
  const service = table([{ path: "/a/b" }, { path: "/a/*" }, { path: "/a/c" }, {}], false);
  assert.equal(await answered(service, ask("/a/b")), "0");
  assert.equal(await answered(service, ask("/a/c")), "1");
  assert.equal(await answered(service, ask("/z")), "3");
});

Deno.test("routeTable() matches hosts without port and case, and names below a wildcard", async () => {
  const service = table([{ host: "api.example.com" }, { host: "*.example.com" }, { host: "[::1]" }]);
  assert.equal(await answered(service, ask("http://API.example.com:8080/")), "0");
  assert.equal(await answered(service, ask("http://b.example.com/")), "1");
  assert.equal(await answered(service, ask("http://a.b.example.com/")), "1");
  assert.equal(await answered(service, ask("http://example.com/")), "fallback");
  assert.equal(await answered(service, ask("http://badexample.com/")), "fallback");
  assert.equal(await answered(service, ask("http://[::1]:80/")), "2");
});

Deno.test("routeTable() lets HEAD in where GET is", async () => {
  const service = table([{ path: "/", methods: ["GET"] }], false);
  assert.equal(await answered(service, ask("/", "HEAD")), "0");
});

Deno.test("routeTable() refuses with 405 and all methods when only the method is wrong, else with 404", async () => {
  const service = table([{ path: "/a", methods: ["GET"] }, { path: "/a", methods: ["PUT", "GET"] }], false);
  const wrong = await answered(service, ask("/a", "DELETE"));
  assert.ok(wrong instanceof MethodRefusal);
  assert.equal(wrong.status, 405);
  assert.deepEqual(wrong.methods, ["GET", "PUT"]);
  assert.equal((await answered(service, ask("/b")) as Refusal).reason, "no_route");
});

Deno.test("routeTable() without routes is the handler itself", () => {
  const handler = named("x");
  assert.equal(routeTable([], handler), handler);
});
