import assert from "node:assert/strict";
import type { HttpReply } from "../client/message.ts";
import { toResponse } from "./proxied_response.ts";
import { reply } from "./testdata/scripted_caller.ts";

/** A body that tells whether it was let go. */
function watched(): { body: ReadableStream<Uint8Array>; readonly cancelled: boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) }, {
    highWaterMark: 0,
  });
  return {
    body,
    get cancelled() {
      return cancelled;
    },
  };
}

function response(given: HttpReply, method = "GET"): Response {
  const made = toResponse(given, method);
  assert.ok(made, "it was refused");
  return made;
}

Deno.test("toResponse() passes status, fields and bytes on", async () => {
  const made = response(reply(203, ["server", "nginx", "etag", '"a"', "x-a", "1", "x-a", "2"], "body"));
  assert.equal(made.status, 203);
  assert.equal(made.headers.get("server"), "nginx");
  assert.equal(made.headers.get("x-a"), "1, 2");
  assert.equal(await made.text(), "body");
});

Deno.test("toResponse() keeps several cookies apart", () => {
  const made = response(reply(200, ["set-cookie", "a=1; Expires=Wed, 21 Oct", "set-cookie", "b=2"]));
  assert.deepEqual(made.headers.getSetCookie(), ["a=1; Expires=Wed, 21 Oct", "b=2"]);
});

Deno.test("toResponse() drops what ends at this hop, what Connection names, and a field named __proto__ is one", () => {
  const made = response(reply(200, [
    ...["connection", "close, x-gone", "x-gone", "1", "keep-alive", "timeout=5", "proxy-connection", "close"],
    ...[
      "te",
      "x",
      "trailer",
      "x",
      "upgrade",
      "h2c",
      "transfer-encoding",
      "chunked",
      "__proto__",
      "x",
      "x-stays",
      "1",
    ],
  ]));
  assert.deepEqual([...made.headers], [["__proto__", "x"], ["x-stays", "1"]]);
});

for (const status of [204, 205, 304]) {
  Deno.test(`toResponse() has no body with ${status}`, () => {
    const body = watched();
    const made = response({ status, headers: ["etag", '"a"'], body: body.body, bodyBytes: -1 });
    assert.equal(made.body, null);
    assert.equal(made.headers.get("etag"), '"a"');
    assert.ok(body.cancelled);
  });
}

Deno.test("toResponse() to HEAD has the length of what GET would get, and none where that is not known", () => {
  assert.equal(
    response({ status: 200, headers: [], body: null, bodyBytes: 1234 }, "HEAD").headers.get("content-length"),
    "1234",
  );
  const unknown = response({ status: 200, headers: [], body: null, bodyBytes: -1 }, "HEAD");
  assert.equal(unknown.headers.get("content-length"), null);
  assert.notEqual(unknown.body, null, "without a body the runtime would write content-length: 0");
  assert.equal(response({ status: 304, headers: [], body: null, bodyBytes: -1 }, "HEAD").body, null);
});

Deno.test("toResponse() tells the length of a stream where it is known", () => {
  const known = response({
    status: 200,
    headers: ["content-length", "9"],
    body: watched().body,
    bodyBytes: 9,
  });
  assert.equal(known.headers.get("content-length"), "9");
  const unknown = response({ status: 200, headers: [], body: watched().body, bodyBytes: -1 });
  assert.equal(unknown.headers.get("content-length"), null);
});

for (
  const [name, given] of [
    ["status 101", { status: 101, headers: [] }],
    ["status 600", { status: 600, headers: [] }],
    ["a control character", { status: 200, headers: ["x-a", "a\x01b"] }],
    ["DEL", { status: 200, headers: ["x-a", "a\x7fb"] }],
    ["a line end", { status: 200, headers: ["x-a", "a\r\nx-b: c"] }],
    ["a character beyond Latin-1", { status: 200, headers: ["x-a", "\u0100"] }],
    ["a name that is none", { status: 200, headers: ["x a", "b"] }],
    ["no name", { status: 200, headers: ["", "b"] }],
  ] as const
) {
  Deno.test(`toResponse() refuses ${name} and lets go of the body`, () => {
    const body = watched();
    const given_ = { ...given, headers: [...given.headers], body: body.body, bodyBytes: -1 };
    assert.equal(toResponse(given_, "GET"), undefined);
    assert.ok(body.cancelled);
  });
}
