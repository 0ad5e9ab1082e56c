import assert from "node:assert/strict";
import { bootService, isOk } from "../boot_service.ts";

Deno.test("examples/hello answers from its route and from its handler, and stops cleanly", async () => {
  await using service = await bootService("examples/hello/service.yaml", { port: 26010, path: "/ping" });
  const get = async (path: string) => {
    const response = await fetch(service.url + path);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await get("/ping"), [200, "pong"]);
  assert.deepEqual(await get("/hello"), [200, '{"hello":"world"}']);
  assert.deepEqual(await get("/hello?name=Anna%20%D0%AF"), [200, '{"hello":"Anna Я"}']);
  assert.equal((await get("/else"))[0], 404);
  await service.waitFor("the meta pages say that it is ready", () => isOk(`${service.metaUrl}/readyz`));
  assert.equal(await service.stop(), 0, service.output());
});
