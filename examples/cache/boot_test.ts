import assert from "node:assert/strict";
import { provision } from "../../tests/provision.ts";
import { bootService, isOk } from "../boot_service.ts";

const ports = { from: 23_000, to: 23_100 };
const port = 23_100;

/** Asks Redis as people do; its answer is text. */
async function redis(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("redis-cli", { args: ["-p", String(port), ...args] }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("examples/cache keeps values in Redis over one connection per worker", async () => {
  await using server = await provision("redis", { range: ports });
  const [redisPort] = server.ports;
  await using service = await bootService("examples/cache/service.yaml", {
    port,
    path: async () =>
      (await fetch(`http://127.0.0.1:${port}/values/none`).catch(() => undefined))?.status === 404,
    env: { REDIS_PORT: String(redisPort), REDIS_DATABASE: "4" },
  });
  // The second worker starts when the first one serves.
  await service.waitFor("both workers serve", async () => {
    const url = `${service.metaUrl}/workers`;
    const answer = await fetch(url, { headers: { accept: "application/json" } }).catch(() => undefined);
    if (answer === undefined) return false;
    const { processes } = await answer.json() as { processes: Array<{ role: string; state: string }> };
    return processes.filter(({ role, state }) => role === "worker" && state === "ready").length === 2;
  });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${service.url}/values/${path}`, init);
    return { status: response.status, body: await response.bytes() };
  };
  const value = crypto.getRandomValues(new Uint8Array(50_000));
  assert.equal((await ask("photo?ttl=60", { method: "PUT", body: value })).status, 204);
  assert.deepEqual(await ask("photo"), { status: 200, body: value });
  const ttl = Number(await redis(redisPort, "-n", "4", "TTL", "value:photo"));
  assert.ok(ttl > 0 && ttl <= 60);
  assert.equal((await ask("photo?ttl=x", { method: "PUT", body: value })).status, 400);
  assert.equal((await ask("photo", { method: "DELETE" })).status, 204);
  assert.equal((await ask("photo", { method: "DELETE" })).status, 404);
  assert.equal((await ask("photo")).status, 404);

  // Many at once, and both workers serve some of them.
  assert.equal((await ask("colour", { method: "PUT", body: "grey" })).status, 204);
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(
      Array.from(
        { length: 1000 },
        (_, n) => n % 10 === 0 ? ask(`n${n}`, { method: "PUT", body: String(n) }) : ask("colour"),
      ),
    );
    const wrong = answers.filter(({ status }, n) => status !== (n % 10 === 0 ? 204 : 200));
    assert.deepEqual(wrong.map(({ status, body }) => `${status} ${new TextDecoder().decode(body)}`), []);
  }
  const connections = async () =>
    (await redis(redisPort, "CLIENT", "LIST")).split("\n").filter((line) => line.includes("name=weir:cache"));
  assert.equal((await connections()).length, 2, (await connections()).join("\n"));

  // Without Redis: refused with a reason, at once; with it again: served, by itself.
  await server.stop();
  const refused = await ask("colour");
  assert.ok([502, 503].includes(refused.status), `${refused.status}`);
  await using again = await provision("redis", { ports: [redisPort] });
  assert.equal(again.ports[0], redisPort);
  await service.waitFor(
    "it is served again",
    () =>
      isOk(`${service.url}/values/colour`).then(async (found) =>
        found || (await ask("colour")).status === 404
      ),
  );
  // Also those that all wanted one at the same time share it.
  await redis(redisPort, "CLIENT", "KILL", "TYPE", "normal");
  await Promise.all(Array.from({ length: 1000 }, () => ask("colour")));
  assert.equal((await connections()).length, 2, (await connections()).join("\n"));
  assert.equal(await service.stop(), 0, service.output());
});
