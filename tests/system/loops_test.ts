import assert from "node:assert/strict";
import { freePort } from "./free_port.ts";
import { WeirProcess } from "./weir_process.ts";

const loops = new URL("./testdata/loop_handlers.ts", import.meta.url).pathname;

interface Note {
  pid: number;
  what: string;
  at: number;
}

/** What the loop of `file` has written. */
function notes(weir: WeirProcess, file: string): Note[] {
  let text = "";
  try {
    text = Deno.readTextFileSync(`${weir.folder}/${file}`);
  } catch {
    // Nothing yet.
  }
  return text.trimEnd().split("\n").filter((line) => line !== "").map((line) => {
    const [pid, what, at] = line.split(" ");
    return { pid: Number(pid), what: what!, at: Number(at) };
  });
}

/** Runs that began while another had not ended; those of `dead` end with their process. */
function overlaps(all: readonly Note[], dead: ReadonlySet<number>): string[] {
  const open = new Set<number>();
  const found: string[] = [];
  for (const { pid, what, at } of all) {
    if (what === "end") open.delete(pid);
    else {
      const others = [...open].filter((other) => !dead.has(other));
      if (others.length > 0) found.push(`${pid} beside ${others} at ${at}`);
      open.add(pid);
    }
  }
  return found;
}

/** Resolves with the next run of the loop in another process than `pid`. */
function movedFrom(weir: WeirProcess, pid: number, limitMs?: number): Promise<Note> {
  return weir.until(
    "the loop moves",
    () => notes(weir, "beats").findLast((note) => note.what === "begin" && note.pid !== pid),
    limitMs,
  );
}

Deno.test("a loop on one worker moves when that worker dies, hangs or is reloaded, and never overlaps", async () => {
  await using weir = await WeirProcess.start({
    manifest: {
      service: "moving",
      workers: { count: 3, drain: "5s", hang: "1s" },
      meta: false,
      loops: {
        beat: { handler: `${loops}#beat`, every: "100ms" },
        consumer: { handler: `${loops}#forEver`, every: "100ms", timeout: 0 },
      },
    },
  });
  const dead = new Set<number>();
  const first = await weir.until("it runs", () => notes(weir, "beats")[5]);
  assert.deepEqual(new Set(notes(weir, "beats").map(({ pid }) => pid)), new Set([first.pid]));

  dead.add(first.pid);
  const killedAt = Date.now();
  Deno.kill(first.pid, "SIGKILL");
  const second = await movedFrom(weir, first.pid);
  assert.ok(second.at - killedAt < 2000, `${second.at - killedAt} ms after SIGKILL`);
  await weir.until("the consumer moves as well, or stayed where it was", () => {
    const consumers = notes(weir, "forEver");
    return consumers.at(-1)!.pid !== first.pid;
  });

  await weir.until("it is replaced", async () => (await weir.workers()).length === 3);
  const holder = notes(weir, "beats").at(-1)!.pid;
  dead.add(holder);
  await Deno.writeTextFile(`${weir.folder}/spin`, String(holder));
  const third = await weir.until(
    "it moves from a worker that hangs",
    () => notes(weir, "beats").slice(-1).find(({ pid }) => pid !== holder),
    5000,
  );
  const spun = notes(weir, "beats").findLast(({ pid }) => pid === holder)!;
  assert.ok(third.at - spun.at < 3000, `${third.at - spun.at} ms after it hung`);

  await weir.until("it is replaced", async () => (await weir.workers()).length === 3);
  const before = await weir.workers();
  const { ok, message } = await weir.reload();
  assert.ok(ok, message);
  await weir.until("it runs in the new generation", async () => {
    const now = (await weir.workers()).map(({ pid }) => pid);
    return now.includes(notes(weir, "beats").at(-1)!.pid) && now.includes(notes(weir, "forEver").at(-1)!.pid);
  });
  assert.ok(!before.some(({ pid }) => pid === notes(weir, "beats").at(-1)!.pid));
  const afterReload = notes(weir, "beats").length;
  await weir.until("it goes on", () => notes(weir, "beats").length > afterReload + 6);
  assert.deepEqual(overlaps(notes(weir, "beats"), dead), []);
  assert.deepEqual(overlaps(notes(weir, "forEver"), dead), []);

  const began = performance.now();
  assert.equal(await weir.stop(), 0);
  assert.ok(performance.now() - began < 4000, "the consumer ends when it is told to");
  assert.equal(notes(weir, "forEver").at(-1)!.what, "end");
});

Deno.test("a loop that fails goes on later, and one that is stuck is shown, in a service without listeners", async () => {
  const metaPort = freePort();
  await using weir = await WeirProcess.start({
    manifest: {
      service: "troubled",
      workers: { count: 1, drain: "300ms" },
      meta: { listen: `127.0.0.1:${metaPort}` },
      loops: {
        failing: { handler: `${loops}#failing`, every: "50ms" },
        stuck: { handler: `${loops}#stuck`, every: "50ms", timeout: "200ms" },
        beat: { handler: `${loops}#beat`, every: "50ms", on: "everyWorker" },
      },
    },
  });
  const page = async (path: string) => await (await fetch(`http://127.0.0.1:${metaPort}${path}`)).text();
  const failures = await weir.until("three failures", () => {
    const found = weir.records("a run failed");
    return found.length >= 3 ? found : undefined;
  });
  assert.deepEqual(failures.slice(0, 3).map(({ failures }) => failures), [1, 2, 3]);
  assert.match(JSON.stringify(failures[0]), /meant to fail.*loop_handlers\.ts/);
  await weir.until(
    "the stuck one is past its timeout",
    () => weir.records("a run is past its timeout").length > 0,
  );
  const inflight = await page("/inflight");
  assert.match(inflight, /loops\.stuck .*loop-stuck-1 .*asking nobody/);
  assert.ok(!inflight.includes("loop-stuck-2"), inflight);
  const { loops: rows } = JSON.parse(await page("/loops?format=json"));
  const row = (name: string) => rows.find((one: { name: string }) => one.name === name);
  assert.deepEqual([row("stuck").state, row("stuck").failed, row("stuck").error], [
    "past its timeout",
    1,
    "no end within 200 ms",
  ]);
  assert.deepEqual([row("failing").state, row("failing").error], [
    "backing off",
    "RangeError: meant to fail",
  ]);
  assert.ok(row("failing").failed >= 3 && row("beat").runs > 3);
  assert.deepEqual([row("beat").where, row("failing").where], ["1 worker", "worker 1"]);
  const metrics = await page("/metrics");
  assert.match(metrics, /^weir_loop_runs_total\{loop="stuck",result="timeout"\} 1$/m);
  assert.match(metrics, /^weir_loop_running\{loop="stuck"\} 1$/m);
  assert.match(await page("/"), /stuck: a run in worker 1 is past its timeout/);
  assert.equal(await weir.stop(), 4, "what did not end was cut off");
});

Deno.test("a fatal loop that fails ends its worker, which is replaced, and the cause is kept", async () => {
  await using weir = await WeirProcess.start({
    manifest: {
      service: "fatal",
      workers: { count: 1, drain: "300ms" },
      meta: false,
      loops: {
        later: { handler: `${loops}#failsLater`, every: "50ms", fatal: true },
      },
    },
  });
  const [before] = await weir.workers();
  await Deno.writeTextFile(`${weir.folder}/fail`, "");
  const exit = await weir.until("it ends", async () => (await weir.status()).exits[0]);
  assert.equal(exit.pid, before!.pid);
  assert.equal(exit.expected, false);
  assert.equal(exit.cause, "loops.later failed: RangeError: cannot go on, exit code 1");
  assert.match(exit.detail, /failsLater/);
  await Deno.remove(`${weir.folder}/fail`);
  await weir.until("it is replaced", async () => {
    const [now] = await weir.workers();
    return now !== undefined && now.pid !== before!.pid;
  });
  assert.equal(await weir.stop(), 0);
});

Deno.test("a loop on one worker runs in worker 1 where workers share nothing", async () => {
  await using weir = await WeirProcess.start({
    manifest: {
      service: "apart",
      workers: { count: 2, drain: "2s" },
      meta: false,
      loops: { beat: { handler: `${loops}#beat`, every: "100ms" } },
    },
    modes: { stats: "snapshot" },
  });
  const [one] = await weir.workers();
  await weir.until("it runs", () => notes(weir, "beats").length > 6);
  const { ok, message } = await weir.reload();
  assert.ok(ok, message);
  await movedFrom(weir, one!.pid);
  const pids = new Set(notes(weir, "beats").map(({ pid }) => pid));
  assert.deepEqual(pids, new Set([one!.pid, (await weir.workers())[0]!.pid]));
  assert.deepEqual(overlaps(notes(weir, "beats"), new Set()), []);
  assert.equal(await weir.stop(), 0);
});
