import assert from "node:assert/strict";
import { FileOutput } from "./file_output.ts";
import type { LogsPlan } from "./logging.ts";
import { rotateIfNeeded } from "./rotate.ts";
import { startWriter } from "./testdata/start_writer.ts";

function planFor(file: string, size: number, keep: number): LogsPlan {
  return {
    level: "info",
    format: "json",
    sinks: { file: { file, rotate: { size, keep } } },
    routes: [{ match: "**", level: "trace", to: ["file"], only: true }],
    redact: [],
  };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function linesOf(folder: string): Promise<Array<{ process: string; n: number }>> {
  const lines = [];
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    assert.ok(text === "" || text.endsWith("\n"), `${name} ends inside a line`);
    for (const line of text.split("\n").slice(0, -1)) lines.push(JSON.parse(line));
  }
  return lines;
}

Deno.test("FileOutput creates its file 0600 in a 0700 folder and appends to what is there", () =>
  withFolder(async (folder) => {
    const path = `${folder}/deep/er/a.log`;
    const output = new FileOutput(path, () => 0);
    assert.deepEqual(await output.write(["a\n", "b\n"]), { written: 2, torn: false });
    output.close();
    const again = new FileOutput(path, () => 0);
    await again.write(["c\n"]);
    again.close();
    assert.equal(await Deno.readTextFile(path), "a\nb\nc\n");
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(`${folder}/deep`)).mode! & 0o777, 0o700);
  }));

Deno.test("FileOutput.reopen() follows the name after a rename, and so does a second without being told", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.log`;
    let now = 0;
    const output = new FileOutput(path, () => now);
    await output.write(["1\n"]);
    await Deno.rename(path, `${folder}/first`);
    await output.write(["2\n"]);
    output.reopen();
    await output.write(["3\n"]);
    await Deno.remove(path);
    now += 999;
    await output.write(["4\n"]);
    now += 1;
    await output.write(["5\n"]);
    await output.write(["6\n"]);
    output.close();
    assert.equal(await Deno.readTextFile(`${folder}/first`), "1\n2\n");
    assert.equal(await Deno.readTextFile(path), "6\n");
  }));

Deno.test("rotateIfNeeded() renames by size, keeps as many as it may and leaves devices alone", () =>
  withFolder(async (folder) => {
    const file = `${folder}/a.log`;
    const plan = planFor(file, 10, 2);
    for (const text of ["first-----", "second----", "third-----", "four"]) {
      await Deno.writeTextFile(file, text);
      await rotateIfNeeded(plan);
    }
    assert.equal(await Deno.readTextFile(file), "four");
    assert.equal(await Deno.readTextFile(`${file}.1`), "third-----");
    assert.equal(await Deno.readTextFile(`${file}.2`), "second----");
    await assert.rejects(Deno.stat(`${file}.3`), Deno.errors.NotFound);
    await Deno.writeTextFile(`${file}.3`, "kept when more were kept");
    assert.deepEqual(await rotateIfNeeded(planFor(file, 1, 2)), { rotated: [file], errors: [] });
    assert.equal(await Deno.readTextFile(`${file}.2`), "third-----");
    await assert.rejects(Deno.stat(`${file}.3`), Deno.errors.NotFound);
    await Deno.writeTextFile(file, "fifth");
    assert.deepEqual(await rotateIfNeeded(planFor("/dev/null", 1, 2)), { rotated: [], errors: [] });
    assert.deepEqual(await rotateIfNeeded(planFor(`${folder}/none`, 1, 2)), { rotated: [], errors: [] });
    assert.deepEqual(await rotateIfNeeded(planFor(file, 1, 0)), { rotated: [file], errors: [] });
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
  }));

Deno.test("FileOutput loses and tears no line while two processes write and a third rotates and signals", () =>
  withFolder(async (folder) => {
    const count = 5000;
    const plan = planFor(`${folder}/a.log`, 16 * 1024, 10_000);
    const writers = [1, 2].map((id) =>
      startWriter({ id, count, perTurn: 50, turnMs: 3, plan, closeMs: 10_000 })
    );
    // a signal before they listen would end them
    for (const writer of writers) await writer.report();
    let rotations = 0;
    let running = true;
    const rotating = (async () => {
      while (running) {
        const { rotated, errors } = await rotateIfNeeded(plan);
        assert.deepEqual(errors, []);
        rotations += rotated.length;
        for (const { child } of rotated.length > 0 ? writers : []) signal(child);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    for (const { child, report } of writers) {
      await report();
      const { counts } = await report();
      assert.deepEqual(counts.file, { written: count, dropped: 0 });
      await child.status;
      await child.stdout.cancel();
    }
    running = false;
    await rotating;
    assert.ok(rotations >= 5, `only ${rotations} rotations`);
    const lines = await linesOf(folder);
    assert.equal(lines.length, 2 * count);
    assert.equal(new Set(lines.map(({ process, n }) => `${process}/${n}`)).size, 2 * count);
  }));

function signal(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGUSR2");
  } catch {
    // it has ended already
  }
}
