import assert from "node:assert/strict";
import { isProcessAlive } from "../../core/stats/process_alive.ts";
import { freePort } from "./free_port.ts";
import { HttpLoad } from "./http_load.ts";
import { accessToFile, handlers, type WeirOptions, WeirProcess } from "./weir_process.ts";

/** A service with one HTTP listener on `port`. */
function service(
  { port, metaPort = freePort(), workers = {}, handler = handlers }: {
    port: number;
    metaPort?: number;
    workers?: Record<string, unknown>;
    handler?: string;
  },
): WeirOptions & { manifest: { listeners: Record<string, unknown> } } {
  return {
    manifest: {
      service: "signals",
      workers: { count: 2, drain: "3s", ...workers },
      meta: { listen: `127.0.0.1:${metaPort}` },
      logs: accessToFile,
      listeners: { api: { protocol: "http", listen: `127.0.0.1:${port}`, handler, deadline: "60s" } },
    },
  };
}

const ask = (port: number, path = "/") => fetch(`http://127.0.0.1:${port}${path}`);

/** Whether a request that contains `text` is in flight. */
async function inflight(metaPort: number, text: string): Promise<boolean> {
  return (await (await ask(metaPort, "/inflight")).text()).includes(text);
}

Deno.test("SIGTERM keeps accepting for as long as the manifest says, then drains; the exit code is 0", async () => {
  const [port, metaPort] = [freePort(), freePort()];
  await using weir = await WeirProcess.start(service({ port, metaPort, workers: { keepAccepting: "1s" } }));
  assert.equal((await ask(metaPort, "/readyz")).status, 200);
  const load = new HttpLoad({ port, keepAlive: 4, short: 4, thinkMs: () => 5 });
  await load.more(50);
  const begin = performance.now();
  weir.signal("SIGTERM");
  await weir.until("/readyz says 503", async () => {
    const response = await ask(metaPort, "/readyz");
    await response.body?.cancel();
    return response.status === 503;
  }, 900);
  load.lap();
  await load.more(50);
  assert.ok(performance.now() - begin < 1000, "it serves on while it is not ready");
  assert.deepEqual(load.report.failures, []);
  // A request that takes longer than the port is open is answered all the same.
  const slow = ask(port, "/?ms=1500");
  const { code } = await weir.ended();
  assert.equal(code, 0);
  assert.equal((await slow).status, 200);
  await (await slow).body?.cancel();
  assert.ok(performance.now() - begin >= 1000);
  const { failures } = await load.stop();
  // Nobody is left to steer to: who connects in the moment in which the port is given back is turned away.
  const wrong = failures.filter(({ kind, worker }) =>
    kind !== "connect" && !(kind === "reset" && worker === "")
  );
  assert.deepEqual(wrong, [], "nothing but new connections fails at the end");
});

Deno.test("a second SIGINT stops at once; the exit code says that work was cut off", async () => {
  const [port, metaPort] = [freePort(), freePort()];
  await using weir = await WeirProcess.start(service({ port, metaPort, workers: { drain: "30s" } }));
  const lost = ask(port, "/?ms=20000").then(() => "answered", () => "lost");
  await weir.until("the request is there", () => inflight(metaPort, "ms=20000"));
  weir.signal("SIGINT");
  await weir.until("it drains", () => weir.records("the service drains").length > 0);
  const begin = performance.now();
  weir.signal("SIGINT");
  assert.equal((await weir.ended()).code, 4);
  assert.ok(performance.now() - begin < 1500, "at once");
  assert.equal(await lost, "lost");
});

Deno.test("SIGKILL of the supervisor ends all children within 2 s, also one that spins", async () => {
  const [port, metaPort] = [freePort(), freePort()];
  await using weir = await WeirProcess.start(service({ port, metaPort, workers: { hang: "60s" } }));
  const pids = (await weir.status()).children.map(({ pid }) => pid);
  assert.equal(pids.length, 3);
  const spinning = ask(port, "/spin").catch(() => {});
  await weir.until("one spins", () => inflight(metaPort, "/spin"));
  weir.signal("SIGKILL");
  const begin = performance.now();
  while (pids.some((pid) => isProcessAlive(pid, 0))) {
    assert.ok(performance.now() - begin < 2000, `left: ${pids.filter((pid) => isProcessAlive(pid, 0))}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await spinning;
});

Deno.test("SIGHUP with a broken manifest keeps serving as before; with a good one it reloads", async () => {
  const port = freePort();
  const options = service({ port });
  await using weir = await WeirProcess.start(options);
  const load = new HttpLoad({ port, keepAlive: 4, short: 4, thinkMs: () => 5 });
  const before = (await weir.workers()).map(({ pid }) => pid);
  await weir.writeManifest("service: signals\nlistners: {}\n");
  weir.signal("SIGHUP");
  const [failed] = await weir.until("the reload fails", () => {
    const records = weir.records("reload failed");
    return records.length > 0 && records;
  });
  assert.match(String(failed!.cause), /service\.yaml:2:1: .*did you mean `listeners`/);
  assert.deepEqual((await weir.workers()).map(({ pid }) => pid), before);
  // Right, but its handler does not load: the old workers go on as well.
  const { api } = options.manifest.listeners;
  const broken = new URL("./testdata/throws_at_load.ts", import.meta.url).pathname;
  await weir.writeManifest({
    ...options.manifest,
    listeners: { api: { ...(api as Record<string, unknown>), handler: broken } },
  });
  weir.signal("SIGHUP");
  await weir.until("the reload fails again", () => weir.records("reload failed").length === 2);
  assert.match(String(weir.records("reload failed")[1]!.cause), /not today/);
  assert.deepEqual((await weir.workers()).map(({ pid }) => pid), before);
  await weir.writeManifest({ ...options.manifest, version: "2" });
  weir.signal("SIGHUP");
  await weir.until("it reloads", async () => (await weir.status()).version === "2");
  await load.more(50);
  const { failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.equal(await weir.stop(), 0);
});

Deno.test("a handler that throws when it is loaded fails the start, with its error and exit code 1", async () => {
  const port = freePort();
  const handler = new URL("./testdata/throws_at_load.ts", import.meta.url).pathname;
  await using weir = await WeirProcess.start({ ...service({ port, handler }), wait: false });
  assert.equal((await weir.ended()).code, 1);
  assert.match(weir.text, /not today/);
  assert.match(weir.text, /throws_at_load\.ts:\d+/);
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }));
});

Deno.test("a handler that begins to throw when it is loaded makes its worker crash with growing pauses", async () => {
  const port = freePort();
  const folder = await Deno.makeTempDir({ prefix: "weir-system-" });
  const handler = `${folder}/handler.ts`;
  await Deno.writeTextFile(handler, "export default () => new Response(String(Deno.pid));\n");
  await using weir = await WeirProcess.start(service({ port, handler }));
  const [first] = await weir.workers();
  await Deno.writeTextFile(handler, 'throw new Error("not today");\n');
  Deno.kill(first!.pid, "SIGKILL");
  const exits = await weir.until("it crashed four times", async () => {
    const found = (await weir.status()).exits.filter(({ id }) => id === 1);
    return found.length >= 4 && found;
  });
  assert.equal(exits.at(-1)!.cause, "signal SIGKILL");
  for (const { cause, detail } of exits.slice(0, 3)) {
    assert.match(cause, /failed at start/);
    assert.match(detail, /not today/);
  }
  const gaps = exits.slice(0, -1).map(({ at }, index) => at - exits[index + 1]!.at).reverse();
  assert.ok(gaps[1]! >= 200 && gaps[2]! >= 400, `gaps ${gaps}`);
  assert.equal((await ask(port)).status, 200, "the other worker serves");
  await Deno.writeTextFile(handler, 'export default () => new Response("well again");\n');
  await weir.until("it is well again", async () => (await weir.workers()).length === 2, 20_000);
  assert.equal(await weir.stop(), 0);
  await Deno.remove(folder, { recursive: true });
});
