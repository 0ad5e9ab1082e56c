import assert from "node:assert/strict";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import { Endpoint } from "../../../core/endpoint.ts";
import { headText, hostOf } from "./request_head.ts";
import { planOf, requestOf } from "./testdata/session_host.ts";

function hostFor(address: string, tls = false, serverName?: string, declared?: string): string {
  const spec = { address, weight: 1, role: null, priority: 0, ...(serverName ? { serverName } : {}) };
  const plan = { ...planOf(), tls: declared ? { serverName: declared } : null } as UpstreamPlan;
  return hostOf({ plan, endpoint: new Endpoint(0, spec), tls });
}

Deno.test("hostOf() names the endpoint as its upstream knows itself, without a port that is implied", () => {
  assert.equal(hostFor("10.0.0.1:8080"), "10.0.0.1:8080");
  assert.equal(hostFor("10.0.0.1:80"), "10.0.0.1");
  assert.equal(hostFor("10.0.0.1:80", true), "10.0.0.1:80");
  assert.equal(hostFor("10.0.0.1:443", true), "10.0.0.1");
  assert.equal(hostFor("[::1]:8080"), "[::1]:8080");
  assert.equal(hostFor("unix:/run/users.sock"), "localhost");
  assert.equal(hostFor("10.0.0.1:8080", false, "users.internal"), "users.internal:8080");
  assert.equal(hostFor("10.0.0.1:443", true, "a.internal", "b.internal"), "b.internal");
});

Deno.test("headText() frames every request in exactly one way", () => {
  const stream = () => new ReadableStream<Uint8Array>();
  const cases: Array<[Parameters<typeof requestOf>[0], string]> = [
    [{}, ""],
    [{ method: "DELETE" }, ""],
    [{ method: "POST" }, "content-length: 0\r\n"],
    [{ method: "POST", body: new Uint8Array(3) }, "content-length: 3\r\n"],
    [{ method: "POST", body: new Uint8Array(0), expectContinue: true }, "content-length: 0\r\n"],
    [
      { method: "PUT", body: new Uint8Array(3), expectContinue: true },
      "content-length: 3\r\nexpect: 100-continue\r\n",
    ],
    [{ method: "PUT", body: stream(), bodyBytes: 9 }, "content-length: 9\r\n"],
    [{ method: "PUT", body: stream() }, "transfer-encoding: chunked\r\n"],
    [{ upgrade: "websocket" }, "connection: upgrade\r\nupgrade: websocket\r\n"],
  ];
  for (const [changes, framing] of cases) {
    const method = changes?.method ?? "GET";
    const head = headText(requestOf({ ...changes, target: "/a", headers: ["x-a", "1"] }), "h");
    assert.equal(head, `${method} /a HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n${framing}\r\n`);
  }
  assert.match(headText(requestOf({ host: "own" }), "h"), /\r\nhost: own\r\n/);
});
