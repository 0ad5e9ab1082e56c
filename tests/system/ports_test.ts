import assert from "node:assert/strict";
import { bestOf } from "./best_of.ts";
import { freePort } from "./free_port.ts";
import { accessToFile, handlers, type WeirOptions, WeirProcess } from "./weir_process.ts";

function service(port: number, more: Record<string, unknown> = {}): WeirOptions {
  return {
    manifest: {
      service: "ports",
      workers: { count: 1, drain: "1s" },
      meta: false,
      logs: accessToFile,
      listeners: { api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, ...more } },
    },
  };
}

for (const mode of ["reusePort", "handOff"]) {
  for (const reusePort of [false, true]) {
    const whose = reusePort ? "that another program would share" : "of another program";
    Deno.test(`a port ${whose} is refused with exit code 1, and its name in the error (${mode})`, async () => {
      const port = freePort();
      using _other = Deno.listen({ hostname: "127.0.0.1", port, reusePort });
      await using weir = await WeirProcess.start({ ...service(port, { accept: { mode } }), wait: false });
      assert.equal((await weir.ended()).code, 1, weir.text);
      assert.match(weir.text, new RegExp(`127\\.0\\.0\\.1:${port}`));
      assert.match(weir.text, /in use|EADDRINUSE/i);
    });
  }
}

Deno.test("two services do not share a port silently", async () => {
  const port = freePort();
  await using first = await WeirProcess.start(service(port));
  await using second = await WeirProcess.start({ ...service(port), wait: false });
  assert.equal((await second.ended()).code, 1, second.text);
  assert.match(second.text, /in use/i);
  // The first one is not disturbed, and may reload on the port that it has.
  assert.equal((await first.reload()).ok, true);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  assert.equal(await first.stop(), 0);
});

Deno.test("a worker without descriptors neither loses its port nor spins, and serves again afterwards", async () => {
  await bestOf(2, async () => {
    const port = freePort();
    const descriptors = 120;
    await using weir = await WeirProcess.start({ ...service(port), descriptors });
    const [worker] = await weir.workers();
    const held: Deno.Conn[] = [];
    // More than it has descriptors for: the kernel completes the handshakes, the worker cannot accept.
    for (let i = 0; i < descriptors + 40; i++) held.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    await weir.until("accepting fails", () => weir.records("accept failed").length > 0, 5000);
    const before = cpuMs(worker!.pid);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const used = cpuMs(worker!.pid) - before;
    assert.ok(used < 500, `${used} ms of CPU time in 1500 ms`);
    assert.ok(weir.records("accept failed").length < 60, "the log is not flooded");
    for (const conn of held) conn.close();
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(await response.text(), String(worker!.pid), "the same process serves");
    assert.equal(await weir.stop(), 0);
  });
});

/** User and system time of a process so far, from /proc, whose clock has 100 ticks a second. */
function cpuMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
