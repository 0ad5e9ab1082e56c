import assert from "node:assert/strict";
import { join } from "node:path";
import { type OutgoingRecord, type Sink, SinkError } from "./contract.ts";
import { fileSink } from "./file_sink.ts";
import { keptLog, streamPlan } from "./testdata/shipping.ts";

const encoder = new TextEncoder();

function records(...values: Array<string | Uint8Array>): OutgoingRecord[] {
  return values.map((value, index) => ({
    lane: "worker1-2-3",
    sequence: index + 1,
    timestamp: 1000 + index,
    key: index === 0 ? encoder.encode("k") : null,
    headers: (index === 0 ? { a: "b" } : {}) as Record<string, string>,
    value: typeof value === "string" ? encoder.encode(value) : value,
  }));
}

function makeFileSink(path: string, more: Record<string, unknown> = {}): Sink {
  const plan = streamPlan("/nowhere", { stdout: undefined, file: path, ...more });
  return fileSink({ name: "s", plan, timeoutMs: 1000, log: keptLog([]) });
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "weir-sink-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("fileSink() writes a line per record to a file of its own, and opens it again when it was moved", () =>
  inFolder(async (folder) => {
    const path = join(folder, "deep", "a.jsonl");
    const sink = makeFileSink(path);
    await sink.send(records('{"a":1}', '{"a":2}'));
    assert.equal(Deno.readTextFileSync(path), '{"a":1}\n{"a":2}\n');
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(join(folder, "deep")).mode! & 0o777, 0o700);
    Deno.renameSync(path, `${path}.1`);
    await sink.send(records("3"));
    assert.equal(Deno.readTextFileSync(path), "3\n");
    assert.equal(Deno.readTextFileSync(`${path}.1`), '{"a":1}\n{"a":2}\n');
    assert.deepEqual(sink.describe!(), [path]);
    await sink.close();
    await sink.close();
  }));

for (const codec of ["msgpack", "raw"] as const) {
  Deno.test(`fileSink() writes JSON around a value of codec ${codec}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.jsonl");
      const sink = makeFileSink(path, { codec });
      await sink.send(records(new Uint8Array([0, 10, 255]), "x"));
      const lines = Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(lines, [
        { timestamp: 1000, key: "k", headers: { a: "b" }, value: "AAr/" },
        { timestamp: 1001, key: null, headers: {}, value: "eA==" },
      ]);
      await sink.close();
    }));
}

Deno.test("fileSink() ends a line that the end of its process cut off", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.jsonl");
    Deno.writeTextFileSync(path, '{"a":1}\n{"a"');
    const sink = makeFileSink(path);
    await sink.send(records('{"a":2}'));
    assert.equal(Deno.readTextFileSync(path), '{"a":1}\n{"a"\n{"a":2}\n');
    await sink.close();
  }));

Deno.test("fileSink() is unavailable while the device is full and goes on when there is room", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.jsonl");
    Deno.symlinkSync("/dev/full", path);
    const sink = makeFileSink(path);
    await assert.rejects(
      () => sink.send(records("1")),
      (error) =>
        error instanceof SinkError && error.kind === "unavailable" && /No space left/.test(error.message),
    );
    Deno.removeSync(path);
    await sink.send(records("1"));
    assert.equal(Deno.readTextFileSync(path), "1\n");
    await sink.close();
  }));

Deno.test("fileSink() takes back what a full disk cut off", () =>
  inFolder(async (folder) => {
    const disk = join(folder, "disk");
    Deno.mkdirSync(disk);
    const mounted = await run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk);
    try {
      const path = join(disk, "a.jsonl");
      const sink = makeFileSink(path);
      await sink.send(records("first"));
      const long = "x".repeat(40_000);
      // without the right to mount there is room for all of it
      if (mounted) {
        await assert.rejects(() => sink.send(records(long, long)), SinkError);
        assert.equal(Deno.readTextFileSync(path), "first\n");
      } else await sink.send(records(long));
      await sink.send(records("last"));
      const lines = Deno.readTextFileSync(path).split("\n");
      assert.deepEqual(lines.filter((line) => line !== long), ["first", "last", ""]);
      await sink.close();
    } finally {
      if (mounted) await run("umount", "-l", disk);
    }
  }));

Deno.test("stdoutSink() writes a line per record to the standard output", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("testdata/stdout_child.ts", import.meta.url).pathname],
  }).output();
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assert.deepEqual(lines, Array.from({ length: 5000 }, (_, n) => `{"n":${n + 1}}`));
});

async function run(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
