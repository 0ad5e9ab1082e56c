import assert from "node:assert/strict";
import type { ReloadAnswer, StacksAnswer } from "../control.ts";
import { Booted, planOf } from "./testdata/boot.ts";
import { isProcessAlive } from "../stats/process_alive.ts";

const fakeSource = new URL("./testdata/fake_child.ts", import.meta.url);
const withGovernor = { meta: { listen: "127.0.0.1:0" } };

/** Line of the loop in spinForEver(), as the file has it. */
async function spinLine(): Promise<number> {
  const lines = (await Deno.readTextFile(fakeSource)).split("\n");
  return lines.findIndex((line) => line.includes("while (work.forEver)")) + 1;
}

Deno.test("Supervisor starts workers one after the other, then the governor, and drains on SIGTERM", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }, withGovernor) });
  const { supervisor } = booted;
  await supervisor.ready;
  const children = booted.status.children;
  assert.deepEqual(children.map(({ role, id, state }) => `${role} ${id} ${state}`), [
    "worker 1 ready",
    "worker 2 ready",
    "governor 1 ready",
  ]);
  for (const [index, { startedAt }] of children.entries()) {
    if (index > 0) {
      assert.ok(startedAt >= children[index - 1]!.readyAt, "started before the former was ready");
    }
  }
  assert.match(await booted.ask("/"), /^[12] \d+ 1$/);
  assert.equal(new Set(children.map(({ slot }) => slot)).size, 3);
  assert.equal(booted.status.phase, "running");
  supervisor.signal("SIGTERM");
  assert.deepEqual(await supervisor.ended, { code: 0, message: "" });
  const order = booted.text.match(/"\w+ \d drains"|"\w+ \d is gone"/g)!;
  assert.deepEqual(order.slice(-2), ['"governor 1 drains"', '"governor 1 is gone"']);
  assert.equal(order.filter((line) => line.includes("worker")).length, 4);
  assert.throws(() => Deno.statSync(booted.folder), Deno.errors.NotFound);
});

Deno.test("Supervisor keeps inspector addresses out of everything it writes", async () => {
  await using booted = new Booted({ plan: planOf() });
  await booted.supervisor.ready;
  const [child] = booted.status.children;
  assert.match(child!.inspector, /^ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]{36}$/);
  booted.supervisor.signal("SIGTERM");
  await booted.supervisor.ended;
  assert.ok(booted.text.includes("fake worker 1 boots"), "stderr is passed on");
  assert.doesNotMatch(booted.text, /ws:\/\/|chrome:\/\/|Debugger/);
});

Deno.test("Supervisor restarts a crashed worker under the same id, with the exit on record", async () => {
  await using booted = new Booted({ plan: planOf() });
  await booted.supervisor.ready;
  const [before] = booted.status.children;
  await booted.ask("/crash");
  const after = await booted.until(() =>
    booted.status.children.find(({ pid, state }) => pid !== before!.pid && state === "ready")
  );
  assert.equal(after.id, 1);
  assert.equal(after.slot, before!.slot, "the slot is used again");
  const [exit] = booted.status.exits;
  assert.equal(exit!.cause, "exit code 9");
  assert.equal(exit!.expected, false);
  assert.match(exit!.detail, /fake worker 1 boots/);
});

Deno.test("Supervisor spaces the restarts of a worker that crashes at boot", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }), env: { FAKE_WORKER_2: "crashAtBoot" } });
  const exits = await booted.until(() => {
    const found = booted.status.exits.filter(({ id }) => id === 2);
    return found.length >= 4 && found;
  });
  const gaps = exits.slice(0, 4).map(({ at }, index) => index < 3 ? at - exits[index + 1]!.at : 0).slice(0, 3)
    .reverse();
  for (const [index, least] of [100, 200, 400].entries()) {
    assert.ok(gaps[index]! >= least, `gap ${index} is ${gaps[index]} ms, not ${least}`);
  }
  assert.equal(exits[0]!.cause, "exit code 3");
  assert.match(exits[0]!.detail, /the last words/);
  assert.equal(booted.status.ready, false);
  assert.match(booted.status.notReady.join(), /worker 2/);
  assert.match(await booted.ask("/"), /^1 /, "the other worker serves");
});

Deno.test("Supervisor fails with the worker's own words when the first one cannot start", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }), env: { FAKE_WORKER_1: "failAtStart" } });
  await assert.rejects(booted.supervisor.ready, /missing\.ts does not exist/);
  assert.deepEqual(await booted.supervisor.ended, {
    code: 1,
    message: "handler ./missing.ts does not exist",
  });
});

Deno.test("Supervisor fails, with the stack, when the first worker never gets ready", async () => {
  await using booted = new Booted({
    plan: planOf(),
    env: { FAKE_WORKER_1: "spinAtBoot" },
    startTimeoutMs: 500,
  });
  assert.deepEqual(await booted.supervisor.ended, {
    code: 1,
    message: "worker 1 was not ready within 0.5 s",
  });
  const [record] = booted.records("worker 1 hung");
  assert.match(String(record!.stack), new RegExp(`spinForEver \\(.*fake_child\\.ts:${await spinLine()}`));
});

Deno.test("Supervisor cuts off a worker that ignores its drain, and says so with exit code 4", async () => {
  await using booted = new Booted({ plan: planOf({ drain: "100ms" }) });
  await booted.supervisor.ready;
  await booted.ask("/stubborn");
  const begin = performance.now();
  booted.supervisor.signal("SIGTERM");
  assert.equal((await booted.supervisor.ended).code, 4);
  const tookMs = performance.now() - begin;
  assert.ok(tookMs >= 1000 && tookMs < 2500, `${tookMs} ms`);
});

Deno.test("Supervisor lets a request in flight finish when it drains", async () => {
  await using booted = new Booted({ plan: planOf() });
  await booted.supervisor.ready;
  const answer = booted.ask("/slow");
  await booted.until(() => booted.text.includes("a slow request began"));
  booted.supervisor.signal("SIGINT");
  assert.match(await answer, /^1 \d+ 1$/);
  assert.equal((await booted.supervisor.ended).code, 0);
});

Deno.test("Supervisor stops at once on the second SIGINT", async () => {
  await using booted = new Booted({ plan: planOf({ drain: "10s" }) });
  await booted.supervisor.ready;
  await booted.ask("/stubborn");
  booted.supervisor.signal("SIGINT");
  booted.supervisor.signal("SIGTERM");
  await booted.until(() => booted.status.children[0]!.state === "draining");
  const begin = performance.now();
  booted.supervisor.signal("SIGINT");
  assert.equal((await booted.supervisor.ended).code, 4);
  assert.ok(performance.now() - begin < 1000);
});

Deno.test("Supervisor reloads: the new generation is ready before the old one drains", async () => {
  const plan = planOf({ count: 2 });
  const next = planOf({ count: 2, memory: "1GiB" });
  await using booted = new Booted({ plan, compile: () => ({ plan: next }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const address = supervisor.addresses.api![0];
  const answer = await supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
  assert.deepEqual(answer, {
    ok: true,
    message: "generation 2 serves",
    changes: ["workers.memory: 536870912 -> 1073741824"],
  });
  assert.equal(supervisor.addresses.api![0], address, "port 0 stays the port it became");
  await booted.until(() => booted.status.children.length === 2);
  assert.ok(booted.status.children.every(({ generation, state }) => generation === 2 && state === "ready"));
  assert.match(await booted.ask("/"), / 2$/);
  const exits = booted.status.exits;
  assert.deepEqual(exits.map(({ cause, expected }) => `${cause} ${expected}`), [
    "reload true",
    "reload true",
  ]);
  const newest = Math.max(...booted.status.children.map(({ readyAt }) => readyAt));
  const drains = [...booted.text.matchAll(/worker \d drains (\{.*\})/g)].map(([, json]) => JSON.parse(json!));
  assert.deepEqual(drains.map(({ steer }) => steer), [{ self: 0, size: 4 }, { self: 1, size: 3 }]);
  assert.ok(exits.every(({ at }) => at >= newest), "an old worker was gone before the new ones were ready");
});

Deno.test("Supervisor keeps the old workers when the manifest is wrong", async () => {
  await using booted = new Booted({
    plan: planOf(),
    compile: () => ({ problem: "service.yaml:3:1: unknown key" }),
  });
  const { supervisor } = booted;
  await supervisor.ready;
  const [before] = booted.status.children;
  const answer = await supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
  assert.deepEqual(answer, { ok: false, message: "service.yaml:3:1: unknown key", changes: [] });
  assert.deepEqual(booted.status.children.map(({ pid }) => pid), [before!.pid]);
  assert.equal(booted.status.lastReload!.ok, false);
});

for (
  const [version, why] of [["failAtStart", /missing\.ts/], ["crashAtBoot", /exit code 3|last words/], [
    "neverReady",
    /not ready within/,
  ]] as const
) {
  Deno.test(`Supervisor gives up a reload whose workers do not come up: ${version}`, async () => {
    const bad = planOf({ count: 2 }, { version });
    await using booted = new Booted({
      plan: planOf({ count: 2 }),
      compile: () => ({ plan: bad }),
      startTimeoutMs: 1000,
    });
    const { supervisor } = booted;
    await supervisor.ready;
    const before = booted.status.children.map(({ pid }) => pid);
    const answer = await supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
    assert.equal(answer.ok, false);
    assert.match(answer.message, why);
    await booted.until(() => booted.status.children.length === 2);
    assert.deepEqual(booted.status.children.map(({ pid }) => pid), before, "the old ones never stopped");
    assert.ok(booted.status.children.every(({ state }) => state === "ready"));
    assert.equal(booted.status.generation, 1);
  });
}

Deno.test("Supervisor refuses a reload during a reload", async () => {
  await using booted = new Booted({ plan: planOf() });
  const { supervisor } = booted;
  await supervisor.ready;
  const first = supervisor.command({ type: "reload", wait: true }) as Promise<ReloadAnswer>;
  const second = await supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
  assert.deepEqual(second, { ok: false, message: "another reload is going on", changes: [] });
  assert.equal((await first).ok, true);
});

Deno.test("Supervisor replaces a worker that outgrows its memory, the new one first, one at a time", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2, memory: "120MiB" }) });
  await booted.supervisor.ready;
  await booted.ask("/leak");
  const cause = await booted.until(() => booted.status.exits.find((exit) => exit.cause.startsWith("memory")));
  assert.match(cause.cause, /^memory \d+ MiB > 120 MiB$/);
  assert.equal(cause.expected, true);
  const replacement = booted.status.children.find(({ id }) => id === cause.id)!;
  assert.ok(replacement.readyAt <= cause.at, "the old one was gone before the new one was ready");
  assert.equal(
    booted.records("worker").filter(({ message }) => String(message).endsWith("is to be replaced")).length,
    1,
  );
});

Deno.test("Supervisor replaces workers by request count, never two at once", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2, requests: 3 }) });
  await booted.supervisor.ready;
  let most = 0;
  let asked = 0;
  await booted.until(() => {
    most = Math.max(most, booted.status.children.length);
    if (asked++ < 200) booted.ask("/").catch(() => {});
    return booted.status.exits.filter(({ cause }) => / requests$/.test(cause)).length >= 2;
  });
  assert.ok(most <= 3, `${most} workers at once`);
  assert.ok(booted.status.exits.every(({ expected }) => expected));
});

Deno.test("Supervisor replaces one worker on command", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const before = booted.status.children.find(({ id }) => id === 2)!;
  await supervisor.command({ type: "restartWorker", id: 2 });
  await assert.rejects(supervisor.command({ type: "restartWorker", id: 1 }), /worker 2 is being replaced/);
  await assert.rejects(supervisor.command({ type: "restartWorker", id: 7 }), /it is not ready/);
  const exit = await booted.until(() => booted.status.exits[0]);
  assert.deepEqual([exit.pid, exit.cause, exit.expected], [before.pid, "restart", true]);
});

for (const meta of [withGovernor, {}]) {
  const who = "meta" in meta ? "through the governor" : "without a governor";
  Deno.test(`Supervisor logs stack and requests of a hung worker and replaces it, ${who}`, async () => {
    await using booted = new Booted({ plan: planOf({ count: 2, hang: "600ms" }, meta) });
    await booted.supervisor.ready;
    const begin = performance.now();
    const lost = booted.ask("/spin");
    const [record] = await booted.until(() => {
      const found = booted.records("worker");
      const hung = found.filter(({ message }) => String(message).includes("hung and is replaced"));
      return hung.length > 0 && hung;
    });
    const loggedMs = performance.now() - begin;
    assert.match(
      String(record!.stack),
      new RegExp(`^spinForEver \\(file:.*fake_child\\.ts:${await spinLine()}:`),
    );
    assert.match(String(record!.inflight), /^api: GET \/spin for \d+ ms/);
    assert.match(String(record!.cause), /^hang 0\.\d s$/);
    assert.ok(loggedMs < 600 + ("meta" in meta ? 700 : 2000), `logged after ${loggedMs} ms`);
    assert.equal(await lost, "");
    const exit = await booted.until(() => booted.status.exits.find(({ cause }) => cause.startsWith("hang")));
    assert.match(exit.detail, /spinForEver/);
    await booted.until(() =>
      booted.status.children.filter(({ role, state }) => role === "worker" && state === "ready").length === 2
    );
    assert.ok(performance.now() - begin < 600 + 3000);
    // Both siblings may have been asked to steer; one was, and it was told when that was over.
    assert.match(booted.text, /got \{"type":"steerAway","self":[01],"size":2/);
    await booted.until(() => booted.text.includes('got {"type":"unsteer"'));
  });
}

Deno.test("Supervisor steers around a worker that is busy for a while, and does not replace it", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2, hang: "5s" }) });
  await booted.supervisor.ready;
  const pids = booted.status.children.map(({ pid }) => pid);
  assert.match(await booted.ask("/block"), /^[12] /);
  await booted.until(() => booted.text.includes('got {"type":"unsteer"'));
  assert.match(booted.text, /got \{"type":"steerAway","self":[01],"size":2/);
  assert.deepEqual(booted.status.children.map(({ pid }) => pid), pids);
});

Deno.test("Supervisor notices a hang by missing snapshots where nothing is mapped", async () => {
  await using booted = new Booted({ plan: planOf({ hang: "500ms" }), stats: "snapshot" });
  await booted.supervisor.ready;
  await booted.until(() => booted.status.children[0]!.rssBytes > 0);
  booted.ask("/spin").catch(() => {});
  const exit = await booted.until(() => booted.status.exits[0]);
  assert.match(exit.cause, /^hang/);
});

Deno.test("Supervisor answers stacks, log levels and reopening over its commands", async () => {
  await using booted = new Booted({ plan: planOf({}, withGovernor) });
  const { supervisor } = booted;
  await supervisor.ready;
  const { stacks } = await supervisor.command({ type: "stacks" }) as StacksAnswer;
  assert.deepEqual(stacks.map(({ role, id }) => `${role} ${id}`), ["worker 1", "governor 1"]);
  await supervisor.command({ type: "logLevel", logger: "access.*", level: "debug", ttlMs: 1000 });
  await booted.until(() => booted.text.includes('worker 1 got {"type":"logLevel","logger":"access.*"'));
  await assert.rejects(
    supervisor.command({ type: "logLevel", logger: "x", level: "loud", ttlMs: 0 }),
    /debug, info, warn or error/,
  );
  supervisor.signal("SIGUSR2");
  await booted.until(() => booted.text.includes('worker 1 got {"type":"reopenLogs"}'));
  await assert.rejects(supervisor.command({ type: "dance" }), /there is no such command/);
});

Deno.test("Supervisor keeps accepting for a while after SIGTERM where the manifest says so", async () => {
  await using booted = new Booted({ plan: planOf({ keepAccepting: "250ms" }) });
  await booted.supervisor.ready;
  booted.supervisor.signal("SIGTERM");
  await booted.until(() => booted.status.phase === "draining");
  assert.equal(booted.status.ready, false);
  await booted.supervisor.ended;
  assert.match(booted.text, /drains \{"steer":null,"keep":250\}/);
});

Deno.test("Supervisor talks to its children over TCP where there are no unix sockets", async () => {
  await using booted = new Booted({ plan: planOf({}, withGovernor), control: "tcp" });
  await booted.supervisor.ready;
  const note = JSON.parse(Deno.readTextFileSync(`${booted.folder}/control.json`));
  assert.match(note.address, /^tcp:127\.0\.0\.1:\d+$/);
  booted.supervisor.signal("SIGTERM");
  assert.equal((await booted.supervisor.ended).code, 0);
});

Deno.test("Supervisor hands connections over where workers cannot share a port", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const framing = { delimiter: "\n", max: "1KiB" };
  const listeners = {
    api: {
      protocol: "frames",
      listen: ["127.0.0.1:0", `unix:${folder}/a.sock`],
      framing,
      handler: "./fake_child.ts",
      accept: { mode: "handOff" },
    },
    both: {
      protocol: "frames",
      listen: ["127.0.0.1:0", `unix:${folder}/b.sock`],
      framing,
      handler: "./fake_child.ts",
    },
  };
  await using booted = new Booted({ plan: planOf({ count: 2 }, { listeners }) });
  const { supervisor } = booted;
  await supervisor.ready;
  const { api, both } = supervisor.addresses;
  assert.match(api![0]!, /^127\.0\.0\.1:\d+$/);
  assert.equal(supervisor.addresses.both![1], `unix:${folder}/b.sock`);
  assert.match(both![0]!, /^127\.0\.0\.1:\d+$/);
  const ids = new Set<string>();
  for (let n = 0; n < 8; n++) {
    const answer = await booted.ask("x", api![n % 2]);
    assert.match(answer, /^[12] \d+ 1 api x$/);
    ids.add(answer[0]!);
  }
  assert.deepEqual([...ids].sort(), ["1", "2"], "both workers get their share");
  assert.match(await booted.ask("x", supervisor.addresses.both![1]), / both x$/);
  assert.match(await booted.ask("x", both![0]), /^[12] \d+ 1$/, "the port is the workers' own");
  const answer = await supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
  assert.equal(answer.ok, true, answer.message);
  await booted.until(() => booted.status.children.length === 2);
  assert.match(
    await booted.ask("x", api![0]),
    /^[12] \d+ 2 api x$/,
    "the same address serves on after a reload",
  );
  supervisor.signal("SIGTERM");
  assert.equal((await supervisor.ended).code, 0);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("Supervisor's children are gone within 2 s after it was killed, also those that spin", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "weir-test-" });
  const program = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./testdata/boot_and_report.ts", import.meta.url).href, `${folder}/run`],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) text += (await reader.read()).value ?? "";
  const { pids, address } = JSON.parse(text.slice(0, text.indexOf("\n")));
  const [hostname, port] = address.split(":");
  const spinning = await Deno.connect({ hostname, port: Number(port) });
  await spinning.write(new TextEncoder().encode("/spin\n"));
  assert.ok(pids.length === 2 && pids.every((pid: number) => isProcessAlive(pid, 0)));
  program.kill("SIGKILL");
  await program.status;
  const begin = performance.now();
  while (pids.some((pid: number) => isProcessAlive(pid, 0))) {
    assert.ok(performance.now() - begin < 2000, "a child lives on");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  spinning.close();
  await reader.cancel();
  Deno.removeSync(folder, { recursive: true });
});
