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
  ["text with a header set later", () => withHeader(new Response("later"))],
  ["text without a type", () => withoutType(new Response("grüße"))],
  ["an error with text", () => new Response("no", { status: 500 })],
  ["bytes with headers", () => new Response(new Uint8Array(9), { headers: { "x-a": "1" } })],
  ["JSON", () => Response.json({ a: [1, "ü"] }, { status: 202 })],
  ["a clone", () => new Response("again").clone()],
  ["a redirection", () => Response.redirect("http://localhost/elsewhere")],
  ["a blob", () => new Response(new Blob(["blob"], { type: "a/b" }))],
  ["no body at all", () => new Response(null, { headers: { "x-a": "1" } })],
  ["a stream", () => new Response(new Blob(["streamed"]).stream(), { status: 418 })],
];

function withHeader(response: Response): Response {
  response.headers.set("x-a", "ä");
  return response;
}

function withoutType(response: Response): Response {
  response.headers.delete("content-type");
  return response;
}

for (const [name, make] of responses) {
  Deno.test(`packResponse() and unpackResponse() keep ${name}`, async () => {
    const wanted = make();
    const got = unpackResponse(await packResponse(make()));
    assert.equal(got.status, wanted.status);
    assert.deepEqual([...got.headers], [...wanted.headers]);
    assert.deepEqual(await got.bytes(), await wanted.bytes());
  });
}

Deno.test("packResponse() waits for streams only", () => {
  for (const [name, make] of responses) {
    const streams = name === "a stream" || name === "a blob";
    assert.equal(packResponse(make()) instanceof Promise, streams, name);
  }
});

Deno.test("packResponse() rejects when the body was read before", async () => {
  const used = new Response("x", { headers: { "x-a": "1" } });
  await used.text();
  await assert.rejects(async () => await packResponse(used), TypeError);
});

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
