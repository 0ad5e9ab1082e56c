import assert from "node:assert/strict";
import { BodyError, readFields } from "./read_fields.ts";

const limits = { maxBytes: 64, timeoutMs: 1_000 };
const post = (body: BodyInit | null, type = "application/json") =>
  new Request("http://x/", { method: "POST", body, headers: { "content-type": type } });

Deno.test("readFields() reads forms, flat JSON objects and nothing", async () => {
  assert.equal(
    (await readFields(post('{"wait":true,"n":5,"s":"x"}'), limits)).toString(),
    "wait=true&n=5&s=x",
  );
  assert.equal(
    (await readFields(post("a=1&b=%20", "application/x-www-form-urlencoded"), limits)).get("b"),
    " ",
  );
  assert.equal((await readFields(new Request("http://x/", { method: "POST" }), limits)).size, 0);
});

Deno.test("readFields() refuses what is too large, of another type, nested or broken", async () => {
  const refused = (request: Request, status: number) =>
    assert.rejects(
      readFields(request, limits),
      (error) => error instanceof BodyError && error.status === status,
    );
  await refused(post("x".repeat(65)), 413);
  await refused(post("a", "text/plain"), 415);
  await refused(post("{"), 400);
  await refused(post('{"a":{}}'), 400);
  await refused(post("[1]"), 400);
});

Deno.test("readFields() stops reading at its bound and at its time limit", async () => {
  let pulled = 0;
  const endless = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(32));
    },
  });
  await assert.rejects(readFields(post(endless), limits), { status: 413 });
  assert.ok(pulled < 10, String(pulled));
  const silent = new ReadableStream({ pull: () => new Promise<void>(() => {}) });
  await assert.rejects(readFields(post(silent), { maxBytes: 64, timeoutMs: 20 }), { status: 408 });
});
