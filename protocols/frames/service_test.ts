import assert from "node:assert/strict";
import { run } from "../../mod.ts";

const module = new URL("testdata/handler.ts", import.meta.url).pathname;

/** One frames listener in the real kernel, in this process. */
async function start(listener: Record<string, unknown>, rest: Record<string, unknown> = {}) {
  const service = await run({
    service: "frames-test",
    listeners: {
      lines: {
        protocol: "frames",
        listen: "127.0.0.1:0",
        framing: { delimiter: "\n", max: "1KiB" },
        handler: module,
        ...listener,
      },
    },
    logs: { level: "fatal" },
    meta: false,
    ...rest,
  }, { inProcess: true });
  await service.ready;
  return { service, port: Number(service.addresses.lines[0].split(":")[1]) };
}

/** Everything that is answered to `text` until the service closes. */
async function ask(port: number, text: string, half = true): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(text));
  if (half) await conn.closeWrite();
  return await new Response(conn.readable).text();
}

Deno.test("frames answers in order through the kernel, also what failed and what is too late", async () => {
  const { service, port } = await start({ refuse: "SORRY", deadline: "100ms" });
  await using _ = service;
  assert.equal(await ask(port, "a\nwait\nthrow\nnone\nb\n"), "A\nSORRY\nSORRY\n\nB\n");
});

Deno.test("frames closes after the replies before it when a frame is refused by the kernel", async () => {
  const { service, port } = await start({ admit: { concurrency: 1, queue: 0 }, deadline: "100ms" });
  await using _ = service;
  assert.equal(await ask(port, "a\nb\nwait\nrefused\nc\n", false), "A\nB\n");
});

Deno.test("frames runs handlers on a pool's threads", async () => {
  const { service, port } = await start({ run: "crunch", refuse: "SORRY" }, {
    pools: { crunch: { kind: "cpu", threads: 1 } },
  });
  await using _ = service;
  assert.equal(await ask(port, "a\nthrow\nnone\nb\n"), "A\nSORRY\n\nB\n");
});

Deno.test("frames streams through the kernel", async () => {
  const { service, port } = await start({ pattern: "stream", handler: `${module}#countdown` });
  await using _ = service;
  assert.equal(await ask(port, "3\n0\n2\n"), "3\n2\n1\n2\n1\n");
});

Deno.test("frames ends connections at the kernel's limits", async () => {
  const { service, port } = await start({ idle: "100ms", accept: { firstByte: "60ms", headers: "80ms" } });
  await using _ = service;
  const started = performance.now();
  const [silent, half, idle] = await Promise.all([
    ask(port, "", false),
    ask(port, "a\nhalf", false),
    ask(port, "a\n", false),
  ]);
  assert.deepEqual([silent, half, idle], ["", "A\n", "A\n"]);
  assert(performance.now() - started < 5000);
});
