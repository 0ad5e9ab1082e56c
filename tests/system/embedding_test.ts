import assert from "node:assert/strict";
import { ManifestError, run } from "../../mod.ts";
import { freePort } from "./free_port.ts";
import { handlers } from "./weir_process.ts";

const manifest = (port: number) => ({
  service: "embedded",
  workers: { count: 1, drain: "2s" },
  meta: false,
  logs: { level: "error" },
  listeners: { api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers } },
});

Deno.test("run() serves a manifest object from processes of its own until the end of the block", async () => {
  const port = freePort();
  let pid = "";
  {
    await using service = await run(manifest(port));
    await service.ready;
    assert.deepEqual(service.addresses.api, [`127.0.0.1:${port}`]);
    pid = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assert.notEqual(pid, String(Deno.pid));
    assert.equal((await service.reload()).ok, true);
    // A client that keeps connections may still have one to the process that leaves; it is told so by an answer.
    while (await (await fetch(`http://127.0.0.1:${port}/`)).text() === pid);
  }
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), "nobody listens any more");
});

Deno.test("run() with inProcess serves from this process, and gives the port back", async () => {
  const port = freePort();
  {
    await using service = await run(manifest(port), { inProcess: true });
    await service.ready;
    assert.equal(
      await (await fetch(`http://127.0.0.1:${service.addresses.api![0]!.split(":")[1]}/`)).text(),
      `${Deno.pid}`,
    );
    assert.equal(service.status().ready, true);
  }
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("run() refuses a manifest with all its diagnostics, and a port that is taken", async () => {
  await assert.rejects(run({ ...manifest(0), listners: {} }), ManifestError);
  const port = freePort();
  using _other = Deno.listen({ hostname: "127.0.0.1", port, reusePort: true });
  await assert.rejects(run(manifest(port)), new RegExp(`127\\.0\\.0\\.1:${port}`));
});
