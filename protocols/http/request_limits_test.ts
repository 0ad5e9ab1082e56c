import assert from "node:assert/strict";
import { ServiceError } from "../../core/errors.ts";
import type { HttpLimitsPlan } from "../../core/manifest/plan.ts";
import { BoundedBody, declaredBody, headBytes, isPlainHost } from "./request_limits.ts";

const limits = { body: 10, headers: 1000, url: 100 } as HttpLimitsPlan;
const withHeaders = (headers: Record<string, string>) => new Request("http://h/", { headers });

Deno.test("headBytes() is what HTTP/1.1 would write, or a little more", () => {
  const request = withHeaders({ "x-a": "b".repeat(100) });
  const written = `GET / HTTP/1.1\r\nx-a: ${"b".repeat(100)}\r\n\r\n`.length;
  assert.ok(headBytes(request) >= written - 2 && headBytes(request) <= written + 20);
});

for (
  const [headers, declared] of [
    [{}, undefined],
    [{ "content-length": "0" }, undefined],
    [{ "content-length": "10" }, { bytes: 10 }],
    [{ "content-length": "11" }, "body_too_large"],
    [{ "content-length": "99999999999999999999" }, "body_too_large"],
    [{ "transfer-encoding": "chunked" }, { bytes: -1 }],
    [{ "transfer-encoding": "Chunked" }, { bytes: -1 }],
    [{ "transfer-encoding": "gzip, chunked" }, "bad_request"],
  ] as Array<[Record<string, string>, unknown]>
) {
  Deno.test(`declaredBody() of ${JSON.stringify(headers)} is ${JSON.stringify(declared)}`, () => {
    assert.deepEqual(declaredBody(withHeaders(headers), limits.body), declared);
  });
}

for (
  const [host, plain] of [
    ["example.com", true],
    ["example.com:8080", true],
    ["[::1]:80", true],
    ["", true],
    ["a/b", false],
    ["a?b", false],
    ["a#b", false],
    ["a\\b", false],
    ["user@a", false],
    ["a b", false],
  ] as const
) {
  Deno.test(`isPlainHost() is ${plain} for ${JSON.stringify(host)}`, () => {
    assert.equal(isPlainHost(withHeaders(host ? { host } : {})), plain);
  });
}

/** A request whose body comes in pieces; how many of them were taken. */
function streamed(pieces: number, bytes: number) {
  let taken = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (taken === pieces) return controller.close();
      taken++;
      controller.enqueue(new Uint8Array(bytes));
    },
  }, new CountQueuingStrategy({ highWaterMark: 0 }));
  return { request: new Request("http://h/", { method: "POST", body }), taken: () => taken };
}

Deno.test("BoundedBody passes a body that fits and knows that it is complete", async () => {
  const bounded = new BoundedBody(streamed(2, 5).request, limits);
  assert.equal((await bounded.request.bytes()).length, 10);
  assert.deepEqual([bounded.complete, bounded.exceeded], [true, false]);
});

Deno.test("BoundedBody fails with body_too_large when the body goes on, and takes no more of it", async () => {
  const { request, taken } = streamed(1_000_000, 4);
  const bounded = new BoundedBody(request, limits);
  await assert.rejects(
    bounded.request.text(),
    (error) =>
      error instanceof ServiceError && error.reason === "body_too_large" && error.source === "client",
  );
  assert.deepEqual([bounded.complete, bounded.exceeded], [false, true]);
  assert.ok(taken() <= 5, `${taken()} pieces`);
});

Deno.test("BoundedBody is neither used nor complete when nobody reads it", async () => {
  const { request, taken } = streamed(100, 1);
  const bounded = new BoundedBody(request, limits);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(bounded.request.bodyUsed, false);
  assert.equal(bounded.complete, false);
  assert.ok(taken() <= 2, `${taken()} pieces`);
});

Deno.test("BoundedBody.drop() cancels a body although somebody holds it, unless it was read to its end", async () => {
  const reasons: string[] = [];
  const of = (pieces: number) => {
    let left = pieces;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => left-- > 0 ? controller.enqueue(new Uint8Array(1)) : controller.close(),
      cancel: () => void reasons.push(`cancelled with ${left} left`),
    }, { highWaterMark: 0 });
    return new BoundedBody(new Request("http://h/", { method: "POST", body }), limits);
  };
  const held = of(5);
  await held.request.body!.getReader().read();
  held.drop();
  const whole = of(1);
  await whole.request.bytes();
  whole.drop();
  assert.deepEqual(reasons, ["cancelled with 4 left"]);
});
