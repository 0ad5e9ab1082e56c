import assert from "node:assert/strict";
import { hasNativeServer, instantStatus, isStreaming } from "./native_server.ts";

const headers = { "x-a": "b" };
const answers: Array<[name: string, make: () => Response, instant: boolean, streaming: boolean]> = [
  ["text", () => new Response("x"), true, false],
  ["bytes", () => new Response(new Uint8Array(3)), true, false],
  ["text with a header", () => new Response("x", { headers }), false, false],
  ["bytes with a header", () => new Response(new Uint8Array(3), { headers }), false, false],
  ["nothing with a header", () => new Response(null, { status: 204, headers }), false, false],
  ["JSON", () => Response.json({ a: 1 }), true, false],
  ["a stream", () => new Response(new ReadableStream()), false, true],
  ["a blob", () => new Response(new Blob(["x"])), false, true],
];

for (const [name, make, instant, streaming] of answers) {
  Deno.test(`an answer of ${name} is ${instant ? "instant" : "not instant"}, ${streaming ? "" : "not "}streaming`, () => {
    assert.ok(hasNativeServer);
    const answer = make();
    if (instant) assert.equal(instantStatus(answer), 200);
    else assert.deepEqual([instantStatus(answer), isStreaming(answer)], [0, streaming]);
  });
}

Deno.test("isStreaming() does not make a stream of text", () => {
  const answer = new Response("x", { headers });
  isStreaming(answer);
  assert.equal(isStreaming(answer), false);
});
