/** Streams of a real service: what handlers and logs put into them gets out, whatever happens to the processes. */
import assert from "node:assert/strict";
import { run } from "../../mod.ts";
import { freePort } from "./free_port.ts";
import { WeirProcess } from "./weir_process.ts";

const handler = new URL("./testdata/shipped_handlers.ts", import.meta.url).pathname;
const accessToStream = {
  sinks: { requests: { stream: "requests" } },
  routes: ["access.*", "worker"].map((match) => ({ match, to: ["requests"], only: true })),
};

/** A manifest whose streams go to files of their names. */
function manifestOf(port: number, names: string[], more: Record<string, unknown> = {}) {
  return {
    service: "shipping",
    workers: { count: 2, drain: "20s" },
    meta: false,
    listeners: { api: { protocol: "http", listen: `127.0.0.1:${port}`, handler } },
    logs: { routes: [{ match: "access.*", level: "error", to: ["console"], only: true }] },
    streams: Object.fromEntries(names.map((name) => [name, { file: `./${name}.jsonl` }])),
    ...more,
  };
}

function lines(folder: string, name: string): Array<Record<string, unknown>> {
  let text = "";
  try {
    text = Deno.readTextFileSync(`${folder}/${name}.jsonl`);
  } catch {
    // Nothing came yet.
  }
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** The numbers in the file of stream `name`, ascending. */
function numbers(folder: string, name: string): number[] {
  return lines(folder, name).map(({ n }) => Number(n)).sort((a, b) => a - b);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Has the service send numbers; rejects unless it says that it did. */
async function send(port: number, stream: string, from: number, count: number, wait = 0): Promise<void> {
  const query = `from=${from}&count=${count}&wait=${wait}`;
  const response = await fetch(`http://127.0.0.1:${port}/${stream}?${query}`);
  assert.equal(`${response.status} ${await response.text()}`, "200 sent");
}

function niceOf(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ")[16]);
}

async function shipperOf(weir: WeirProcess) {
  const { children } = await weir.status();
  return children.find(({ role, state }) => role === "shipper" && state === "ready");
}

Deno.test("a service ships what its handlers send, all of it before it ends, after its workers", async () => {
  const port = freePort();
  const meta = { listen: `127.0.0.1:${freePort()}` };
  await using weir = await WeirProcess.start({ manifest: manifestOf(port, ["records"], { meta }) });
  await Promise.all(upTo(20).map((index) => send(port, "records", index * 50, 50)));
  assert.equal(await weir.stop(), 0);
  assert.deepEqual(numbers(weir.folder, "records"), upTo(1000));
  const order = [...weir.text.matchAll(/"message":"(\w+) \d (drains|is gone)"/g)].map(([, role, what]) =>
    `${role} ${what}`
  );
  assert.deepEqual(order.slice(-4), [
    "shipper drains",
    "shipper is gone",
    "governor drains",
    "governor is gone",
  ]);
  assert.deepEqual(order.slice(0, 4).sort(), [
    "worker drains",
    "worker drains",
    "worker is gone",
    "worker is gone",
  ]);
  assert.equal(weir.records("shipper 1 has shipped all records").length, 1);
});

Deno.test("a shipper that is killed or stopped is replaced, its service goes on, and no record is lost", async () => {
  const port = freePort();
  const manifest = manifestOf(port, ["records"], { workers: { count: 2, drain: "20s", hang: "1s" } });
  await using weir = await WeirProcess.start({ manifest });
  const workers = (await weir.workers()).map(({ pid }) => pid);
  let from = 0;
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    const former = await weir.until("there is a shipper", () => shipperOf(weir));
    await send(port, "records", from, 500);
    Deno.kill(former.pid, signal);
    await send(port, "records", from + 500, 500);
    from += 1000;
    await weir.until("it is replaced", async () => {
      const found = await shipperOf(weir);
      return found !== undefined && found.pid !== former.pid;
    }, 30_000);
    await weir.until("all is there", () => new Set(numbers(weir.folder, "records")).size === from, 30_000);
  }
  const { exits } = await weir.status();
  assert.deepEqual(exits.map(({ role, expected }) => `${role} ${expected}`), [
    "shipper false",
    "shipper false",
  ]);
  assert.deepEqual((await weir.workers()).map(({ pid }) => pid), workers);
  assert.equal(await weir.stop(), 0);
  assert.deepEqual([...new Set(numbers(weir.folder, "records"))], upTo(from));
});

Deno.test("a reload adds streams, and ships what the old workers send to streams that it removes", async () => {
  const port = freePort();
  await using weir = await WeirProcess.start({ manifest: manifestOf(port, ["a"]) });
  await send(port, "a", 0, 10);
  await weir.writeManifest(manifestOf(port, ["a", "b"]));
  assert.equal((await weir.reload()).ok, true);
  await send(port, "a", 10, 10);
  await send(port, "b", 0, 10);
  await weir.until(
    "both are shipped",
    () => numbers(weir.folder, "a").length >= 20 && numbers(weir.folder, "b").length >= 10,
  );
  const slow = send(port, "a", 20, 10, 2000);
  await weir.until("an old worker has work", () => weir.text.includes("a slow sender waits"));
  await weir.writeManifest(manifestOf(port, ["b"]));
  assert.equal((await weir.reload()).ok, true);
  await slow;
  await weir.until("its records are shipped", () => numbers(weir.folder, "a").length >= 30);
  assert.deepEqual(numbers(weir.folder, "a"), upTo(30));
  await weir.writeManifest(manifestOf(port, []));
  assert.equal((await weir.reload()).ok, true);
  assert.equal(await shipperOf(weir), undefined);
  assert.equal(await weir.stop(), 0);
});

Deno.test("a service whose records nobody takes serves, says what is left, and the next one ships it", async () => {
  const port = freePort();
  const streams = { records: { file: "./service.yaml/no-folder.jsonl" } };
  const workers = { count: 2, drain: "1s" };
  await using weir = await WeirProcess.start({ manifest: manifestOf(port, [], { streams, workers }) });
  await send(port, "records", 0, 100);
  assert.equal(await weir.stop(), 0, "what waits on disk is no failure");
  assert.deepEqual(weir.records("shipper 1 leaves records in the spool").map(({ records }) => records), [
    { records: 100 },
  ]);
  const spool = { directory: `${weir.folder}/spool` };
  const next = { records: { file: "./records.jsonl", spool } };
  await using again = await WeirProcess.start({ manifest: manifestOf(port, [], { streams: next }) });
  await again.until("it is shipped", () => numbers(again.folder, "records").length >= 100, 30_000);
  assert.deepEqual(numbers(again.folder, "records"), upTo(100));
});

Deno.test("a service that ends without its shipper says that records may be left", async () => {
  const port = freePort();
  await using weir = await WeirProcess.start({ manifest: manifestOf(port, ["one"]) });
  const killShipper = async () => {
    const shipper = await weir.until("a shipper", () => shipperOf(weir));
    Deno.kill(shipper.pid, "SIGKILL");
    await weir.until("it is gone", async () => (await shipperOf(weir))?.pid !== shipper.pid);
  };
  // Its back-off grows until a stop comes in between.
  for (let n = 0; n < 3; n++) await killShipper();
  await send(port, "one", 0, 20);
  assert.equal(await weir.stop(), 0);
  const said = weir.records("records may be left in the spool").length;
  const shipped = numbers(weir.folder, "one").length;
  assert.ok(said === 1 ? shipped === 0 : shipped === 20, `said ${said}, shipped ${shipped}`);
});

Deno.test("a shipper steps back behind the workers, and its figures come as snapshots where nothing is mapped", async () => {
  const [port, metaPort] = [freePort(), freePort()];
  const manifest = manifestOf(port, ["records"], { meta: { listen: `127.0.0.1:${metaPort}` } });
  await using weir = await WeirProcess.start({ manifest, modes: { stats: "snapshot", control: "tcp" } });
  const { children } = await weir.status();
  const niceness = Object.fromEntries(children.map(({ role, pid }) => [role, niceOf(pid)]));
  assert.equal(niceness.shipper, niceness.governor);
  assert.equal(niceness.shipper! - niceness.worker!, 5);
  await send(port, "records", 0, 10);
  await weir.until("the governor knows it", async () => {
    const text = await (await fetch(`http://127.0.0.1:${metaPort}/metrics`)).text();
    return /^weir_stream_acked_total\{.*stream="records".*\} 10$/m.test(text);
  });
  assert.deepEqual((await weir.status()).exits, [], "snapshots are heartbeats, too");
  assert.equal(await weir.stop(), 0);
});

Deno.test("an access log that goes to a stream has a record per request, and the workers' last words", async () => {
  const port = freePort();
  const manifest = manifestOf(port, ["records", "requests"], { logs: accessToStream });
  await using weir = await WeirProcess.start({ manifest });
  for (const index of upTo(50)) await send(port, "records", index, 1);
  assert.equal(await weir.stop(), 0);
  const all = lines(weir.folder, "requests");
  const found = all.filter(({ logger }) => logger === "access.api");
  const last = all.filter(({ message }) => message === "drained").map(({ process }) => process);
  assert.deepEqual(last.sort(), ["worker-1", "worker-2"], "what a worker says at its end");
  assert.deepEqual(
    found.map(({ request }) => Number(/from=(\d+)/.exec(String(request))![1])).sort((a, b) => a - b),
    upTo(50),
  );
  assert.ok(found.every(({ status }) => status === 200));
  assert.doesNotMatch(weir.text, /access\.api/);
});

Deno.test("run() with inProcess ships handlers' records and access lines, all of them before it ends", async () => {
  const port = freePort();
  const folder = await Deno.makeTempDir({ prefix: "weir-system-" });
  try {
    const path = `${folder}/service.yaml`;
    const manifest = manifestOf(port, ["records", "requests"], { logs: accessToStream });
    await Deno.writeTextFile(path, JSON.stringify(manifest));
    const service = await run(path, { inProcess: true });
    await send(port, "records", 0, 100);
    await send(port, "records", 100, 100);
    assert.equal((await service.stop()).code, 0);
    assert.deepEqual(numbers(folder, "records"), upTo(200));
    const what = lines(folder, "requests").map(({ logger, message }) => message ?? logger);
    assert.deepEqual(what, ["access.api", "access.api", "drained"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
