import assert from "node:assert/strict";
import { systemClock } from "../clock.ts";
import { createLogging } from "./logging.ts";
import { MemoryOutput } from "./testdata/memory_output.ts";

function setUp(file: string) {
  const output = new MemoryOutput();
  const logging = createLogging({
    level: "info",
    format: "json",
    sinks: { file: { file } },
    routes: [{ match: "**", level: "trace", to: ["file"], only: true }],
    redact: [],
  }, {
    process: { service: "s", role: "worker", id: 1, pid: 1 },
    clock: systemClock,
    console: output,
    terminal: false,
  });
  return { output, logging };
}

const sent = 60_000;

function logAll(log: { info(message: string, fields: Record<string, unknown>): void }): void {
  for (let n = 0; n < sent; n++) log.info("line", { n });
}

Deno.test("Logging counts what a full device refuses, says so on the console and goes on when there is room", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.symlink("/dev/full", `${folder}/a.log`);
  const { output, logging } = setUp(`${folder}/a.log`);
  logAll(logging.logger("worker"));
  assert.equal(await logging.flush(100), false);
  assert.equal(logging.counts().file!.written, 0);
  const dropped = logging.counts().file!.dropped;
  assert.ok(dropped > 0);
  await Deno.remove(`${folder}/a.log`);
  logging.reopen();
  assert.equal(await logging.flush(10_000), true);
  await logging.close();
  assert.deepEqual(logging.counts().file, { written: sent - dropped, dropped });
  const records = (await Deno.readTextFile(`${folder}/a.log`)).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(records.filter(({ message }) => message === "line").map(({ n }) => n), [
    ...Array(sent - dropped).keys(),
  ]);
  assert.ok(records.some(({ message }) => message === `dropped ${dropped} lines`));
  assert.match(output.records[0].reason, /No space left/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("Logging ends the line that a full disk cut off, and loses only what it counts", async () => {
  const folder = await Deno.makeTempDir();
  const mounted = await command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
  try {
    // without the right to mount, the folder stays a roomy one: then nothing may be torn or dropped at all
    const { logging } = setUp(`${folder}/a.log`);
    if (mounted) await Deno.writeFile(`${folder}/ballast`, new Uint8Array(30_000));
    const log = logging.logger("worker");
    for (let n = 0; n < 1000; n++) log.info("line", { n });
    assert.equal(await logging.flush(500), !mounted);
    if (mounted) {
      assert.ok(logging.counts().file!.written < 1000);
      assert.ok(await command("mount", "-o", "remount,size=4m", folder));
    }
    assert.equal(await logging.flush(10_000), true);
    await logging.close();
    assert.deepEqual(logging.counts().file, { written: 1000, dropped: 0 });
    const lines = (await Deno.readTextFile(`${folder}/a.log`)).trimEnd().split("\n");
    const whole = lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line).n);
    assert.deepEqual(whole, [...Array(1000).keys()]);
    assert.ok(lines.length - whole.length <= (mounted ? 20 : 0), "a torn piece per try at most");
  } finally {
    if (mounted) await command("umount", folder);
    await Deno.remove(folder, { recursive: true });
  }
});

async function command(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}
