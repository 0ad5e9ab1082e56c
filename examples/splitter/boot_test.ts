import assert from "node:assert/strict";
import { bootService, isOk } from "../boot_service.ts";

const manifest = "examples/splitter/service.yaml";

interface Answered {
  user: string;
  version: string;
  experiments: Array<{ layer: string; experiment: string; group: string }>;
}

/** A copy of the experiments that a test may change. */
async function experimentsFile(): Promise<
  { path: string; text: string; [Symbol.asyncDispose](): Promise<void> }
> {
  const text = await Deno.readTextFile(new URL("experiments.yaml", import.meta.url));
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(path, text);
  return { path, text, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

Deno.test("examples/splitter answers in which experiments and groups a user is", async () => {
  await using service = await bootService(manifest, { port: 26030, path: "/split?user=warm" });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(service.url + path, init);
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

  const anna = await ask("/split?user=qa-anna");
  assert.equal(anna.headers.get("content-type"), "application/json");
  assert.deepEqual(anna.body.experiments[0], { layer: "player", experiment: "skip-intro", group: "button" });
  assert.deepEqual(await ask("/split?user=monitoring").then(({ body }) => body.experiments), []);

  // Every worker gives the same answer, and so does the same question as JSON.
  const query = "/split?user=42&country=KZ&app=2.20&device=tv-lg&subscription=year&tag=gift-card";
  const { body } = await ask(query);
  assert.equal(body.user, "42");
  assert.deepEqual(body.experiments.map((found: { layer: string }) => found.layer).includes("home"), true);
  for (let i = 0; i < 20; i++) {
    const again = await ask(query, { headers: { connection: "close" } });
    assert.deepEqual(again.body, body);
  }
  const attributes = {
    country: "KZ",
    app: "2.20",
    device: "tv-lg",
    subscription: "year",
    tag: ["gift-card"],
  };
  const post = (value: unknown) =>
    ask("/split", { method: "POST", body: typeof value === "string" ? value : JSON.stringify(value) });
  assert.deepEqual((await post({ user: "42", attributes })).body, body);

  assert.deepEqual((await ask("/split")).body, { error: "parameter `user` is missing" });
  assert.equal((await ask("/split")).status, 400);
  assert.equal((await post("{")).status, 400);
  assert.equal((await post({ user: "42", attributes: { a: {} } })).status, 400);
  assert.equal((await ask("/split", { method: "DELETE" })).status, 405);
  assert.equal((await ask("/nothing")).status, 404);
  const large = await fetch(`${service.url}/split`, { method: "POST", body: "x".repeat(100_000) });
  await large.body?.cancel();
  assert.equal(large.status, 413);

  const listed = await ask("/experiments");
  assert.deepEqual(listed.body.problems, []);
  assert.equal(listed.body.layers.length, 3);
  assert.equal(await service.stop(), 0, service.output());
});

Deno.test("examples/splitter records every answer", async () => {
  await using service = await bootService(manifest, { port: 24300, path: "/split?user=warm" });
  // Records of a service that stops before its shipper is there would wait for the next start.
  await service.waitFor("it is ready", () => isOk(`${service.metaUrl}/readyz`));
  const lineOf = ({ user, version, experiments }: Answered) => {
    const groups = experiments.map(({ layer, experiment, group }) => `${layer}/${experiment}/${group}`);
    return JSON.stringify({ user, version, groups });
  };
  const began = Date.now();
  const asked: string[] = [];
  const ask = async (client: number) => {
    for (let n = 0; n < 50; n++) {
      const response = await fetch(`${service.url}/split?user=user-${client}-${n}&country=KZ&app=2.20`);
      asked.push(lineOf(await response.json()));
    }
  };
  await Promise.all([1, 2, 3, 4].map(ask));
  assert.equal(await service.stop(), 0, service.output());

  const lines = (await Deno.readTextFile(`${service.folder}/decisions.jsonl`)).trimEnd().split("\n");
  const records = lines.map((line) => JSON.parse(line)).filter(({ user }) => user !== "warm");
  assert.deepEqual(records.map(({ time: _, ...rest }) => JSON.stringify(rest)).sort(), asked.sort());
  assert.ok(records.every(({ time }) => time >= began && time <= Date.now()));
});

Deno.test("examples/splitter follows its experiments while serving, and a broken file changes nothing", async () => {
  await using file = await experimentsFile();
  await using service = await bootService(manifest, {
    port: 26040,
    path: "/split?user=warm",
    env: { EXPERIMENTS: file.path },
  });
  const get = async (path: string) => {
    const response = await fetch(service.url + path, { headers: { connection: "close" } });
    return await response.json();
  };
  // Every worker follows by itself: it holds everywhere when many connections in a row see it.
  const everywhere = async (what: string, holds: () => Promise<boolean>) => {
    let seen = 0;
    await service.waitFor(what, async () => (seen = await holds() ? seen + 1 : 0) >= 20, 5000);
  };
  const { version } = await get("/split?user=1");

  const broken = file.text.replace("share: 20%", "share: 20");
  await Deno.writeTextFile(file.path, broken);
  const line = broken.slice(0, broken.indexOf("share: 20 ")).split("\n").length;
  const place = `${file.path}:${line}:16: a share is written from 0% to 100%`;
  await everywhere("the mistake is listed", async () => {
    const { problems } = await get("/experiments");
    return problems.length === 1 && problems[0].startsWith(place);
  });
  await service.waitFor("the mistake is logged with its place", () => service.output().includes(place));
  assert.equal((await get("/split?user=1")).version, version);

  await Deno.writeTextFile(file.path, file.text.replace("share: 20%", "share: 40%"));
  const savedAt = performance.now();
  await everywhere("the new file is served", async () => (await get("/split?user=1")).version !== version);
  assert.ok(performance.now() - savedAt < 2000, `${performance.now() - savedAt} ms`);
  assert.deepEqual((await get("/experiments")).problems, []);
  assert.equal(await service.stop(), 0, service.output());
});

Deno.test("examples/splitter does not start with a broken file and says where it is broken", async () => {
  await using file = await experimentsFile();
  await Deno.writeTextFile(file.path, "layers: {}\nlayer: {}\n");
  await assert.rejects(
    bootService(manifest, { port: 26050, path: "/split?user=1", env: { EXPERIMENTS: file.path } }),
    (error: Error) =>
      error.message.includes("it ended with 1") && error.message.includes(`${file.path}:2:1: unknown key`),
  );
});
