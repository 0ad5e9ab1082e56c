import assert from "node:assert/strict";
import fc from "fast-check";
import { packRequest, packResponse, unpackRequest, unpackResponse } from "./wire_message.ts";

const responses: Array<[string, () => Response]> = [
  ["text", () => new Response("grüße")],
  ["text with a type", () => new Response("{}", { headers: { "content-type": "application/json" } })],
  ["bytes", () => new Response(new Uint8Array([0, 255, 10]))],
  ["nothing", () => new Response(null, { status: 204 })],
  ["empty text", () => new Response("")],
  [
    "several headers",
    () => new Response("x", { status: 201, headers: { "x-a": "1", "content-type": "a/b" } }),
  ],
  ["a stream", () => new Response(new Blob(["streamed"]).stream(), { status: 418 })],
];

for (const [name, make] of responses) {
  Deno.test(`packResponse() and unpackResponse() keep ${name}`, async () => {
    const wanted = make();
    const got = unpackResponse(await packResponse(make()));
    assert.equal(got.status, wanted.status);
    assert.deepEqual([...got.headers], [...wanted.headers]);
    assert.deepEqual(await got.bytes(), await wanted.bytes());
  });
}

Deno.test("packResponse() keeps several cookies apart", async () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  const got = unpackResponse(await packResponse(new Response("x", { headers })));
  assert.deepEqual(got.headers.getSetCookie(), ["a=1", "b=2"]);
});

Deno.test("packRequest() and unpackRequest() keep method, URL, headers and body", async () => {
  await fc.assert(fc.asyncProperty(
    fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH"),
    fc.webUrl({ withQueryParameters: true }),
    fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), fc.stringMatching(/^[\x21-\x7e]{0,20}$/)),
    fc.uint8Array({ maxLength: 300 }),
    async (method, url, headers, body) => {
      const given = method === "GET" ? null : new Uint8Array(body);
      const make = () => new Request(url, { method, headers, body: given });
      const got = unpackRequest(await packRequest(make()));
      const wanted = make();
      assert.deepEqual([got.method, got.url, [...got.headers]], [
        wanted.method,
        wanted.url,
        [...wanted.headers],
      ]);
      assert.deepEqual(await got.bytes(), await wanted.bytes());
    },
  ));
});
