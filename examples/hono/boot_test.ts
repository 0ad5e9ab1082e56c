import assert from "node:assert/strict";
import { bootService } from "../boot_service.ts";

Deno.test("examples/hono serves a Hono application as it is", async () => {
  await using service = await bootService("examples/hono/service.yaml", { port: 26020, path: "/books" });
  const books = `${service.url}/books`;
  const listed = await fetch(books);
  assert.deepEqual(await listed.json(), [{ id: "1", title: "Roadside Picnic" }]);

  const post = (body: string) =>
    fetch(books, { method: "POST", body, headers: { "content-type": "application/json" } });
  const made = await post('{"title": "Solaris"}');
  assert.equal(made.status, 201);
  assert.deepEqual(await made.json(), { id: "2", title: "Solaris" });
  const refused = await post("{}");
  assert.equal(refused.status, 400);
  assert.deepEqual(await refused.json(), { error: "`title` is missing" });

  const found = await fetch(`${books}/2`);
  assert.deepEqual(await found.json(), { id: "2", title: "Solaris" });
  // The application's own middleware works as well: Hono's ETag.
  const etag = found.headers.get("etag");
  assert.ok(etag);
  const same = await fetch(`${books}/2`, { headers: { "if-none-match": etag } });
  await same.body?.cancel();
  assert.equal(same.status, 304);

  const missing = await fetch(`${service.url}/nothing`);
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), { error: "there is no /nothing" });
  assert.equal(await service.stop(), 0, service.output());
});
