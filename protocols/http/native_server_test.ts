import assert from "node:assert/strict";
import {
  fieldOf,
  hasNativeServer,
  hasSendableFields,
  instantStatus,
  isStreaming,
  knownLength,
  rawFields,
  responseOfFields,
  serveNative,
} from "./native_server.ts";
import { freePorts } from "../../tests/provision.ts";

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

for (const status of [200, 201, 404, 599]) {
  for (const body of [null, new Uint8Array([65, 66])]) {
    Deno.test(`responseOfFields() of ${status} and ${body ? "bytes" : "nothing"} is sent as it was made`, async () => {
      const [port] = freePorts(1, { from: 21_600, to: 22_399 }) as [number];
      using listener = Deno.listen({ hostname: "127.0.0.1", port });
      const accepted = listener.accept();
      using client = await Deno.connect({ hostname: "127.0.0.1", port });
      const fields: [string, string][] = [["Set-Cookie", "a"], ["set-cookie", "b"], ["x-latin", "\xe9"]];
      const serving = serveNative(await accepted, (request) => {
        assert.deepEqual([...rawFields(request)], [["Host", "h"], ["X-A", "1"], ["x-a", "2"]]);
        return responseOfFields(body, status, fields);
      }, () => new Response("failed", { status: 500 }));
      await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\n\r\n"));
      let text = "";
      const buffer = new Uint8Array(4096);
      while (!text.endsWith(body ? "AB" : "\r\n\r\n")) {
        const count = await client.read(buffer) ?? assert.fail(text);
        for (const byte of buffer.subarray(0, count)) text += String.fromCharCode(byte);
      }
      const sent = text.split("\r\n").filter((line) => !/^(?:date|content-length):/i.test(line));
      assert.match(sent[0]!, new RegExp(`^HTTP/1.1 ${status}`));
      assert.deepEqual(sent.slice(1, 4), ["Set-Cookie: a", "set-cookie: b", "x-latin: \xe9"]);
      assert.match(text, body ? /content-length: 2/i : /content-length: 0/i);
      client.close();
      await serving.finished.catch(() => {});
    });
  }
}

Deno.test("responseOfFields() keeps the list it was given: this runtime is one that can", () => {
  for (const body of [null, new Uint8Array(1)]) {
    const fields: [string, string][] = [["x-a", "1"]];
    const response = responseOfFields(body, 404, fields);
    fields.push(["x-b", "2"]);
    assert.equal(response.status, 404);
    assert.equal(response.headers.get("x-b"), "2");
  }
});

Deno.test("responseOfFields() has the bytes it was given as its body, in every way a body is read", async () => {
  const made = () => responseOfFields(new Uint8Array([65, 66]), 200, [["x-a", "1"]]);
  assert.equal(await made().text(), "AB");
  assert.deepEqual([...await made().bytes()], [65, 66]);
  assert.equal(await made().clone().text(), "AB");
  const read = made();
  let text = "";
  for await (const piece of read.body!) text += new TextDecoder().decode(piece);
  assert.equal(text, "AB");
  assert.equal(read.bodyUsed, true);
  const answer = made();
  assert.deepEqual([isStreaming(answer), knownLength(answer), answer.bodyUsed], [false, 2, false]);
  assert.equal(responseOfFields(null, 204, []).body, null);
});

Deno.test("hasSendableFields() finds what cannot be sent, whatever was sent before", () => {
  const made = (value: string) => new Response("x", { headers: [["x-b", "1"], ["x-a", value]] });
  for (let i = 0; i < 3; i++) {
    assert.equal(hasSendableFields(made("a")), true);
    assert.equal(hasSendableFields(made("a\x01")), false);
  }
});

Deno.test("fieldOf() finds fields of answers however they were made and changed", async () => {
  const changed = new Response("x", { headers });
  changed.headers.append("X-A", "c");
  assert.equal(fieldOf(changed, "x-a"), "b, c");
  assert.equal(fieldOf(responseOfFields(null, 200, [["X-A", "1"], ["x-a", "2"]]), "x-a"), "1, 2");
  assert.equal(fieldOf(new Response("x", { headers: new Headers(headers) }), "x-a"), "b");
  assert.equal(fieldOf(new Response("x"), "x-a"), undefined);
  const fetched = await fetch("data:text/plain,a");
  assert.equal(fieldOf(fetched, "content-type"), "text/plain");
  await fetched.body?.cancel();
});

Deno.test("knownLength() is that of bytes and of nothing", () => {
  assert.equal(knownLength(new Response(null, { status: 201, headers })), 0);
  assert.equal(knownLength(new Response(new Uint8Array(7), { headers })), 7);
  assert.equal(knownLength(new Response(new ReadableStream())), -1);
});
