import assert from "node:assert/strict";
import { Refusal, ServiceError } from "../../../core/errors.ts";
import { systemClock } from "../../../core/clock.ts";
import { type FailureKind, failures, UpstreamError } from "../../../core/upstream_error.ts";
import { BoundedBody } from "../request_limits.ts";
import { proxyService } from "./proxy_service.ts";
import { contextOf, reply, scriptedCaller, valuesOf } from "./testdata/scripted_caller.ts";
import { Networks } from "../../../core/networks.ts";

const rules = { trusted: new Networks([]), scheme: "http", prefix: undefined } as const;
const limits = { body: 1000, headers: 1000, url: 1000 };

function asking(balance?: Parameters<typeof scriptedCaller>[1]) {
  const caller = scriptedCaller(() => reply(200, [], "ok"), balance);
  return { calls: caller.calls, service: proxyService(caller, rules) };
}

const post = (body: BodyInit, length: number | undefined, method = "POST") =>
  new Request("http://h/a", {
    method,
    body,
    headers: length === undefined ? {} : { "content-length": `${length}` },
  });

Deno.test("proxyService() takes small bodies in before it asks, so that they may be sent again", async () => {
  const { calls, service } = asking();
  await service(post("small", 5, "PUT"), contextOf());
  assert.deepEqual(calls[0]!.request.body, new TextEncoder().encode("small"));
  assert.equal(calls[0]!.options.idempotent, true);
});

Deno.test("proxyService() streams bodies that are long or of no declared length, and sends them once", async () => {
  const { calls, service } = asking();
  await service(post(new Uint8Array(70_000), 70_000, "PUT"), contextOf());
  const chunked = new Request("http://h/", {
    method: "PUT",
    body: "x",
    headers: { "transfer-encoding": "chunked" },
  });
  await service(new BoundedBody(chunked, limits).request, contextOf());
  // HTTP/2: neither length nor coding, but the listener counts it.
  await service(new BoundedBody(post("x", undefined, "PUT"), limits).request, contextOf());
  assert.deepEqual(calls.map(({ request }) => request.bodyBytes), [70_000, -1, -1]);
  for (const { request, options } of calls) {
    assert.ok(request.body instanceof ReadableStream);
    assert.equal(options.idempotent, false);
  }
});

Deno.test("proxyService() has no body where HTTP/2 could have had one", async () => {
  const { calls, service } = asking();
  const nothing = new Request("http://h/", { method: "PUT", body: new Uint8Array(0) });
  await service(new BoundedBody(nothing, limits).request, contextOf());
  assert.equal(calls[0]!.request.body, null);
  assert.equal(calls[0]!.options.idempotent, true);
});

Deno.test("proxyService() has no body where none is declared", async () => {
  const { calls, service } = asking();
  await service(new Request("http://h/", { method: "POST" }), contextOf());
  assert.equal(calls[0]!.request.body, null);
});

Deno.test("proxyService() says which methods may be sent again", async () => {
  const { calls, service } = asking();
  for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "OTHER"]) {
    await service(new Request("http://h/", { method }), contextOf());
  }
  assert.deepEqual(
    calls.map(({ options }) => `${options.method} ${options.idempotent}`),
    [
      ...["GET true", "HEAD true", "OPTIONS true", "PUT true", "DELETE true"],
      ...["POST false", "PATCH false", "OTHER false"],
    ],
  );
});

Deno.test("proxyService() tells the upstream how long its reply is waited for", async () => {
  const { calls, service } = asking();
  const told = async (leftMs: number, fields: Record<string, string> = {}) => {
    const context = contextOf(undefined, undefined, systemClock.now() + leftMs);
    await service(new Request("http://h/", { headers: fields }), context);
    return valuesOf(calls.pop()!.request.headers, "x-deadline-ms").map(Number);
  };
  assert.deepEqual(await told(Infinity), [3000]);
  const [ms] = await told(400);
  assert.ok(ms! > 300 && ms! <= 400, `${ms}`);
  assert.deepEqual(await told(-5), [0]);
  // Those who ask may wait for less, not for more.
  assert.deepEqual(await told(Infinity, { "x-deadline-ms": "70" }), [70]);
  for (const text of ["70000", "-1", "soon", "1e1", "9".repeat(16)]) {
    assert.deepEqual(await told(Infinity, { "x-deadline-ms": text }), [3000], text);
  }
});

for (
  const [key, wanted] of [
    ["header:X-User", "u1"],
    ["header:host", "h"],
    ["header:x-none", undefined],
    ["path", "/a"],
    ["address", "192.0.2.7"],
    ["client", "web"],
  ] as const
) {
  Deno.test(`proxyService() hashes by ${key}`, async () => {
    const { calls, service } = asking({ ringHash: { key } });
    await service(new Request("http://h/a?b", { headers: { "x-user": "u1" } }), contextOf());
    assert.equal(calls[0]!.options.key, wanted);
  });
}

for (const failure of Object.keys(failures) as FailureKind[]) {
  Deno.test(`proxyService() refuses with ${failures[failure]} what failed with ${failure}`, async () => {
    const caller = scriptedCaller(() => {
      throw new UpstreamError(failure, "it failed", { retryAfterMs: 700 });
    });
    const answer = await proxyService(caller, rules)(new Request("http://h/"), contextOf());
    assert.ok(answer instanceof Refusal);
    assert.equal(answer.reason, failures[failure]);
    assert.equal(answer.retryAfterMs, 700);
  });
}

Deno.test("proxyService() blames the client for a body of its that ends the call", async () => {
  const cause = new ServiceError("body_too_large", "too long", { source: "client" });
  const caller = scriptedCaller(() => {
    throw new UpstreamError("cancelled", "the body failed", { cause });
  });
  const answer = await proxyService(caller, rules)(new Request("http://h/"), contextOf());
  assert.equal((answer as Refusal).reason, "body_too_large");
});

Deno.test("proxyService() passes an upstream's own errors through", async () => {
  for (const status of [400, 404, 500, 502, 503, 599]) {
    const caller = scriptedCaller(() => reply(status, ["retry-after", "9"], "theirs"));
    const answer = await proxyService(caller, rules)(new Request("http://h/"), contextOf()) as Response;
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("x-weir-reason"), null);
    assert.equal(answer.headers.get("retry-after"), "9");
    assert.equal(await answer.text(), "theirs");
  }
});

Deno.test("proxyService() makes a 502 of a reply that cannot be sent", async () => {
  const caller = scriptedCaller(() => reply(200, ["x-a", "a\x01b"]));
  const answer = await proxyService(caller, rules)(new Request("http://h/"), contextOf());
  assert.equal((answer as Refusal).reason, "upstream_protocol");
});
