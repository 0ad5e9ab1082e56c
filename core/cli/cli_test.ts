import assert from "node:assert/strict";
import { join } from "node:path";
import type { Terminal } from "./command.ts";
import { main } from "./main.ts";

const program = new URL("./testdata/fake_weir.ts", import.meta.url).href;

/** Runs one command in this process. */
async function weir(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const terminal: Terminal = {
    out: (text) => out += `${text}\n`,
    err: (text) => err += `${text}\n`,
    human: false,
  };
  const code = await main(args, terminal);
  return { code, out, err };
}

const manifest = (more = "") =>
  `service: fake
workers: { count: 1, drain: 100ms }
meta: false
listeners:
  api:
    protocol: frames
    listen: 127.0.0.1:0
    framing: { delimiter: "\\n", max: 1KiB }
    handler: ./handler.ts
${more}`;

/** A folder with a manifest that the fake child serves. */
class Folder {
  readonly path = Deno.makeTempDirSync({ prefix: "weir-test-" });
  readonly file = join(this.path, "service.yaml");

  constructor(text = manifest()) {
    Deno.writeTextFileSync(join(this.path, "handler.ts"), "export default () => {};\n");
    this.write(text);
  }

  write(text: string): void {
    Deno.writeTextFileSync(this.file, text);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A running service in a process of its own, with what it wrote. */
class Running {
  readonly child: Deno.ChildProcess;
  text = "";
  #woken: (() => void) | undefined;
  readonly #read: Promise<unknown>;

  constructor(...args: string[]) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--unstable-net", program, "run", ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([this.#follow(this.child.stdout), this.#follow(this.child.stderr)]);
  }

  /** Resolves with the first match of `pattern` in what it writes. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const late = setTimeout(() => this.#woken?.(), 10_000);
    const end = performance.now() + 10_000;
    for (;;) {
      const found = pattern.exec(this.text);
      if (found) {
        clearTimeout(late);
        return found;
      }
      if (performance.now() >= end) throw new Error(`It never said ${pattern}:\n${this.text}`);
      await new Promise<void>((resolve) => this.#woken = resolve);
    }
  }

  async code(): Promise<number> {
    const { code } = await this.child.status;
    await this.#read;
    return code;
  }

  async #follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.text += text;
      this.#woken?.();
    }
  }
}

Deno.test("main() lists all commands with --help, and one with its name", async () => {
  const { code, out } = await weir("--help");
  assert.equal(code, 0);
  for (
    const name of [
      "run",
      "check",
      "explain",
      "schema",
      "init",
      "status",
      "reload",
      "drain",
      "stacks",
      "logs level",
      "stop",
    ]
  ) {
    assert.match(out, new RegExp(`^  ${name}\\b`, "m"));
  }
  assert.match(out, /exit codes: 0 .*\b4 stopped/s);
  const one = await weir("reload", "--help");
  assert.equal(one.code, 0);
  assert.match(one.out, /--wait/);
  assert.equal((await weir("help", "reload")).out, one.out);
});

Deno.test("main() tells its version, as JSON too", async () => {
  assert.match((await weir("--version")).out, /^weir \d+\.\d+\.\d+ \(deno /);
  assert.match(JSON.parse((await weir("--version", "--json")).out).weir, /^\d+\.\d+\.\d+$/);
});

for (
  const [args, message] of [
    [["chekc"], "there is no command `chekc`; did you mean `check`?"],
    [["check", "--jsn"], "check has no option `--jsn`; did you mean `--json`?"],
    [["reload", "--wait=yes"], "`--wait` takes no value"],
    [["logs", "level", "a", "debug", "--for"], "`--for` needs a value: --for <time>"],
    [["logs", "level", "a"], "logs needs <debug|info|warn|error>"],
    [["schema", "x"], "schema does not take `x`"],
  ] as const
) {
  Deno.test(`main() exits 2 for: ${args.join(" ")}`, async () => {
    const { code, err } = await weir(...args);
    assert.equal(code, 2);
    assert.equal(err, `${message}\n--help lists all commands\n`);
  });
}

Deno.test("check prints every problem with its place and exits 2", async () => {
  using folder = new Folder(manifest("upstrems: {}\nworker: {}\n"));
  const { code, err } = await weir("check", folder.file);
  assert.equal(code, 2);
  assert.match(err, /service\.yaml:10:1: .*upstrems.*did you mean `upstreams`/);
  assert.match(err, /service\.yaml:11:1: .*worker/);
  const json = await weir("check", folder.file, "--json");
  assert.equal(json.code, 2);
  assert.deepEqual(JSON.parse(json.out).diagnostics.map(({ line }: { line: number }) => line), [10, 11]);
});

Deno.test("check passes a manifest that uses what is not there yet, and says so; run refuses it", async () => {
  using folder = new Folder(manifest("telemetry: { statsd: udp://127.0.0.1:8125 }\n"));
  const { code, out } = await weir("check", folder.file);
  assert.equal(code, 0);
  assert.match(out, /service\.yaml:10:1: `telemetry`: telemetry is not available yet/);
  const run = await weir(folder.file);
  assert.equal(run.code, 2);
  assert.match(run.err, /service\.yaml:10:1: `telemetry`: telemetry is not available yet/);
});

Deno.test("explain shows what a call to an upstream goes through", async () => {
  using folder = new Folder(
    manifest(
      "upstreams:\n  users: { protocol: http, discover: { static: [127.0.0.1:1] }, throttle: { queue: 9 } }\n",
    ),
  );
  const { code, out } = await weir("explain", folder.file, "upstreams.users");
  assert.equal(code, 0);
  assert.match(
    out,
    /^2\. throttle \(per worker\)\n {3}Before anything is spent[^]*throttle\.queue +9 +.*service\.yaml:11$/m,
  );
  const { stack } = JSON.parse((await weir("explain", folder.file, "upstreams.users", "--json")).out);
  const queue = stack[1].values.find(({ path }: { path: string }) => path === "throttle.queue");
  assert.deepEqual([queue.text, queue.source.line], ["9", 11]);
});

Deno.test("explain shows effective values and where they come from", async () => {
  using folder = new Folder();
  const { code, out } = await weir("explain", folder.file, "workers.drain");
  assert.equal(code, 0);
  assert.match(out, /^workers\.drain +100ms +\S*service\.yaml:2$/m);
  assert.equal((await weir("explain", folder.file, "workers.drian")).code, 2);
  assert.equal(
    JSON.parse((await weir("explain", folder.file, "workers.drain", "--json")).out).values[0].value,
    100,
  );
});

Deno.test("init writes a service that check accepts, and overwrites nothing", async () => {
  using folder = new Folder();
  const path = join(folder.path, "My Service");
  const { code, out } = await weir("init", path);
  assert.equal(code, 0);
  assert.match(out, /wrote service\.yaml, hello\.ts, service\.schema\.json/);
  assert.equal((await weir("check", join(path, "service.yaml"))).code, 0);
  assert.match(Deno.readTextFileSync(join(path, "service.yaml")), /^service: my-service$/m);
  assert.equal((await weir("init", path)).code, 2);
});

Deno.test("commands for a running service exit 3 when none runs from that manifest", async () => {
  using folder = new Folder();
  for (const name of ["status", "reload", "drain", "stop", "stacks"]) {
    const { code, err } = await weir(name, folder.file);
    assert.deepEqual([code, err], [3, `No service runs from ${folder.file}\n`]);
  }
  assert.equal((await weir("status", join(folder.path, "nothing.yaml"))).code, 3);
});

Deno.test("a running service answers status, logs, reload and drain; a second start is refused", async () => {
  using folder = new Folder();
  const running = new Running(folder.file);
  const [, pid] = await running.says(/^fake, pid (\d+), workers 1\n {2}api +127\.0\.0\.1:\d+ \(frames\)$/m);
  assert.equal(Number(pid), running.child.pid);

  const status = await weir("status", folder.file);
  assert.equal(status.code, 0);
  assert.match(status.out, /^fake, pid \d+, running, generation 1/);
  const state = JSON.parse((await weir("status", folder.file, "--json")).out);
  assert.equal(state.pid, running.child.pid);
  assert.doesNotMatch(JSON.stringify(state), /ws:\/\//, "the inspector's address is nobody's to print");

  const second = new Running(folder.file);
  assert.equal(await second.code(), 3);
  assert.match(second.text, new RegExp(`runs already as process ${running.child.pid}`));

  assert.equal((await weir("logs", "level", "access.*", "debug", folder.file, "--for", "1m")).code, 0);
  await running.says(/got \{"type":"logLevel","logger":"access\.\*","level":"debug","ttlMs":60000/);
  assert.equal((await weir("logs", "level", "x", "debug", folder.file, "--for", "soon")).code, 2);
  assert.equal((await weir("restart", "5", folder.file)).code, 3);

  folder.write(manifest("x-note: 1\nwrkers: {}\n"));
  const bad = await weir("reload", "--wait", folder.file);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /service\.yaml:11:1: .*wrkers.*did you mean `workers`/);
  folder.write(manifest("version: '2'\n"));
  const good = await weir("reload", "--wait", folder.file);
  assert.deepEqual([good.code, good.out], [0, 'generation 2 serves\n  version: null -> "2"\n']);

  const drained = await weir("drain", folder.file);
  assert.deepEqual([drained.code, drained.out], [0, `stopped (pid ${running.child.pid})\n`]);
  assert.equal(await running.code(), 0);
});

Deno.test("SIGHUP reloads, SIGTERM stops with 0, JSON lines come where nobody watches", async () => {
  using folder = new Folder();
  const running = new Running(folder.file, "--json");
  await running.says(/"message":"the service is ready","api":\["127\.0\.0\.1:\d+"\]/);
  running.child.kill("SIGHUP");
  await running.says(/"result":"generation 2 serves"/);
  running.child.kill("SIGUSR2");
  await running.says(/got \{"type":"reopenLogs"\}/);
  running.child.kill("SIGTERM");
  assert.equal(await running.code(), 0);
});

Deno.test("run exits 1 with the reason when the service cannot start", async () => {
  using folder = new Folder(manifest("version: failAtStart\n"));
  const running = new Running(folder.file);
  assert.equal(await running.code(), 1);
  assert.match(running.text, /handler \.\/missing\.ts does not exist/);
});

Deno.test("run --watch reloads on a good save, and keeps serving on a bad one", async () => {
  using folder = new Folder();
  const running = new Running(folder.file, "--watch");
  await running.says(/^fake, pid/m);
  folder.write(manifest("wrkers: {}\n"));
  await running.says(/service\.yaml:10:1: .*did you mean `workers`/);
  assert.match((await weir("status", folder.file)).out, /running, generation 1/);
  folder.write(manifest("version: '3'\n"));
  await running.says(/generation 2 serves/);
  Deno.writeTextFileSync(join(folder.path, "handler.ts"), "export default () => 1;\n");
  await running.says(/generation 3 serves/);
  assert.equal((await weir("stop", folder.file)).code, 0);
  assert.equal(await running.code(), 0);
});
