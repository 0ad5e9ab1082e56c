import assert from "node:assert/strict";
import { join } from "node:path";
import { AlreadyRunning, ManifestError, run } from "../../mod.ts";

const entry = new URL("./testdata/fake_child.ts", import.meta.url).href;
const entries = { worker: entry, governor: entry, shipper: entry };

const manifest = {
  service: "fake",
  workers: { count: 1, drain: "2s" },
  meta: false,
  listeners: {
    api: {
      protocol: "http",
      listen: "127.0.0.1:0",
      routes: [{ match: { path: "/ping" }, respond: { status: 200, body: "pong ${NOTE:-none}" } }],
    },
  },
};

Deno.test("run() starts a service from an object and stops it at the end of the block", async () => {
  let ended;
  {
    await using service = await run(manifest, { entries });
    await service.ready;
    assert.match(service.addresses.api![0]!, /^127\.0\.0\.1:[1-9]\d*$/);
    assert.equal(service.status().phase, "running");
    assert.deepEqual((await service.reload()).ok, true);
    ended = service.ended;
  }
  assert.deepEqual(await ended, { code: 0, message: "" });
});

Deno.test("run() throws all diagnostics when the manifest is wrong", async () => {
  await assert.rejects(run({ ...manifest, wrkers: {}, lstners: {} }), (error: ManifestError) => {
    assert.ok(error instanceof ManifestError);
    assert.equal(error.diagnostics.length, 2);
    assert.match(error.message, /did you mean `workers`/);
    return true;
  });
});

Deno.test("run() refuses a manifest that runs already, and reloads what was saved", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const file = join(folder, "service.yaml");
  Deno.writeTextFileSync(file, JSON.stringify(manifest));
  {
    await using service = await run(file, { entries });
    await service.ready;
    await assert.rejects(run(file, { entries }), AlreadyRunning);
    Deno.writeTextFileSync(file, JSON.stringify({ ...manifest, version: "2" }));
    assert.deepEqual((await service.reload()).changes, ['version: null -> "2"']);
    assert.equal(service.status().version, "2");
    Deno.writeTextFileSync(file, JSON.stringify({ ...manifest, vresion: "3" }));
    await assert.rejects(service.reload(), /did you mean `version`/);
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("run() gives `env` to the manifest and to the children", async () => {
  const named = { ...manifest, version: "${NOTE}" };
  await using service = await run(named, { entries, env: { NOTE: "from-env" } });
  await service.ready;
  assert.equal(service.status().version, "from-env");
});

Deno.test("run() with inProcess serves from this process", async () => {
  await using service = await run(manifest, { inProcess: true, env: { NOTE: "here" } });
  await service.ready;
  const answer = await fetch(`http://${service.addresses.api![0]}/ping`);
  assert.equal(await answer.text(), "pong here");
  await assert.rejects(service.reload(), /Cannot reload/);
  assert.deepEqual(await service.stop(), { code: 0, message: "" });
});

Deno.test("run() starts Weir's own worker", async () => {
  await using service = await run(manifest, { env: { NOTE: "there" } });
  await service.ready;
  const answer = await fetch(`http://${service.addresses.api![0]}/ping`);
  assert.equal(await answer.text(), "pong there");
});

Deno.test("run() rotates log files where there is no governor to do it", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const file = join(folder, "access.log");
  const logs = {
    sinks: { access: { file, rotate: { size: "1KiB", keep: 2 } } },
    routes: [{ match: "access.*", to: ["access"], only: true }],
  };
  await using service = await run({ ...manifest, logs }, { env: { NOTE: "rotated" } });
  await service.ready;
  const rotated = () => {
    try {
      return Deno.statSync(`${file}.1`).isFile;
    } catch {
      return false;
    }
  };
  for (const end = performance.now() + 10_000; !rotated();) {
    assert.ok(performance.now() < end, "never rotated");
    await (await fetch(`http://${service.addresses.api![0]}/ping`)).body?.cancel();
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a worker leaves signals to the supervisor", async () => {
  await using service = await run(manifest, { env: { NOTE: "deaf" } });
  await service.ready;
  const { pid } = service.status().children.find(({ role }) => role === "worker")!;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const) Deno.kill(pid, signal);
  for (let i = 0; i < 5; i++) {
    const answer = await fetch(`http://${service.addresses.api![0]}/ping`);
    assert.equal(await answer.text(), "pong deaf");
  }
  assert.deepEqual(service.status().children.filter(({ role }) => role === "worker").map((it) => it.pid), [
    pid,
  ]);
});
