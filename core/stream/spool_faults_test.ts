/** What happens to a spool when processes are killed, disks are full and many write at once: with processes of their own. */
import assert from "node:assert/strict";
import { findOrInstall } from "../../tests/provision.ts";
import type { ChildOptions } from "./testdata/spool_child.ts";
import { readLanes, type ReadRecord, recordsOf } from "./testdata/spool_files.ts";
import { bytesOfSegments, startWriting } from "./testdata/writing.ts";

const child = new URL("testdata/spool_child.ts", import.meta.url).pathname;
const denoRun = [Deno.execPath(), "run", "-A", "--unstable-net", "--no-check", child];

interface Ended {
  acked: number;
  failed: number;
  written: number;
}

async function inFolder(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function spawn(options: ChildOptions, before: string[] = []): Deno.ChildProcess {
  const [command, ...args] = [...before, ...denoRun, JSON.stringify(options)];
  return new Deno.Command(command!, { args, stdout: "piped" }).spawn();
}

async function endOf(process: Deno.ChildProcess): Promise<Ended> {
  let end: Ended | undefined;
  for await (const line of linesOf(process)) if (line.startsWith("end ")) end = JSON.parse(line.slice(4));
  assert.equal((await process.status).code, 0);
  assert.ok(end, "the process said how it ended");
  return end;
}

/** Whole ones: what a killed process began to say is none. */
async function* linesOf(process: Deno.ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

const idOf = ({ text }: ReadRecord): string => {
  const { sender, n } = JSON.parse(text);
  return `${sender}-${n}`;
};

Deno.test("every acknowledged record can be read when its writer was killed", async () => {
  await inFolder(async (directory) => {
    const options = { directory, max: 1 << 24, senders: 64, records: null, bytes: 300, acks: true };
    const process = spawn(options);
    const acked: string[] = [];
    for await (const line of linesOf(process)) {
      if (line.startsWith("ack ")) acked.push(line.slice(4));
      if (acked.length === 5000) process.kill("SIGKILL");
    }
    await process.status;
    const [segments] = [...readLanes(`${directory}/s`).values()];
    const records = recordsOf(segments!).map(idOf);
    const found = new Set(records);
    assert.equal(found.size, records.length);
    assert.deepEqual(acked.filter((id) => !found.has(id)), []);
    // Each sender has one on its way at most.
    assert.ok(records.length <= acked.length + 2 * options.senders, `${records.length} of ${acked.length}`);
  });
});

Deno.test("several writers never hold more than spool.max together", async () => {
  for (const full of ["dropOldest", "reject", "block"] as const) {
    await inFolder(async (directory) => {
      const max = 262_144;
      const options = { directory, max, full, workers: 3, senders: 8, records: 250, bytes: 700, acks: false };
      const all = [1, 2, 3].map((id) => spawn({ ...options, id }));
      let most = 0;
      let over = false;
      const watch = (async () => {
        while (!over) {
          if (isThere(`${directory}/s`)) {
            const bytes = bytesOfSegments(`${directory}/s`);
            most = Math.max(most, bytes);
            // What a shipper does.
            if (full === "block" && bytes > max / 2) removeClosed(`${directory}/s`);
          }
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      })();
      const ended = await Promise.all(all.map(endOf));
      over = true;
      await watch;
      assert.ok(most <= max && most > max / 2, `${full}: ${most} of ${max}`);
      const written = ended.reduce((sum, one) => sum + one.written, 0);
      assert.equal(ended.reduce((sum, one) => sum + one.acked, 0), written);
      if (full === "reject") assert.ok(ended.some(({ failed }) => failed > 0));
      else assert.equal(written, 3 * 8 * 250, `${full}: ${JSON.stringify(ended)}`);
      for (const segments of readLanes(`${directory}/s`).values()) recordsOf(segments, segments[0]?.first);
    });
  }
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function removeClosed(folder: string): void {
  for (const lane of Deno.readDirSync(folder)) {
    if (!lane.isDirectory) continue;
    for (const { name } of Deno.readDirSync(`${folder}/${lane.name}`)) {
      if (name.endsWith(".seg")) Deno.removeSync(`${folder}/${lane.name}/${name}`);
    }
  }
}

Deno.test("a full disk refuses records, leaves no garbage and no gap, and takes records again when there is room", async () => {
  await inFolder(async (directory) => {
    const disk = `${directory}/disk`;
    await Deno.mkdir(disk);
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk);
    try {
      // The file is in the way of half of the disk until it goes.
      await Deno.writeFile(`${disk}/ballast`, new Uint8Array(500_000));
      const writing = await startWriting({ directory: disk, codec: "raw", max: 1 << 26, sync: "never" });
      const { stream, series, lines } = writing;
      const acked: string[] = [];
      let failures = 0;
      const sendGroups = async (from: number, groups: number) => {
        for (let g = from; g < from + groups; g++) {
          const sent = Array.from({ length: 30 }, (_, n) => {
            const text = `${g}-${n} `.padEnd(600 + n * 7, "x");
            return stream.send(text).then(() => void acked.push(text), (error) => {
              assert.equal(error.reason, "spool_failed");
              assert.match(error.message, /No space left/);
              failures++;
            });
          });
          await Promise.all(sent);
        }
      };
      await sendGroups(0, 60);
      assert.ok(failures > 0);
      assert.equal(stream.offer("x"), false);
      assert.deepEqual(lines.filter((line) => line.startsWith("error")).length, 1);
      await Deno.remove(`${disk}/ballast`);
      const before = acked.length;
      await sendGroups(100, 5);
      assert.equal(acked.length, before + 150);
      assert.ok(lines.includes("info the spool can be written again"));
      await writing.streams.close();
      const [segments] = [...readLanes(writing.folder).values()];
      const records = recordsOf(segments!).map(({ text }) => text);
      for (const segment of segments!) assert.equal(segment.torn, 0);
      assert.equal(series.of("weir_stream_written_total"), records.length);
      const found = new Set(records);
      assert.equal(found.size, records.length);
      assert.deepEqual(acked.filter((text) => !found.has(text)), []);
      // Of a group that the disk took half of, the whole records stay: they may have been read.
      assert.ok(records.length - acked.length < 30 * 3, `${records.length} of ${acked.length}`);
    } finally {
      await run("umount", "-l", disk);
    }
  });
});

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args, stderr: "piped" }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("spool.sync: always syncs each group before it is acknowledged, a duration now and then, never does not", async () => {
  const strace = await findOrInstall({ program: "strace", package: "strace" });
  const counts: Record<string, number> = {};
  for (const sync of ["always", 50, "never"] as const) {
    await inFolder(async (directory) => {
      const trace = `${directory}/trace`;
      const options = { directory, sync, senders: 1, records: 200, bytes: 100, acks: false };
      const { acked } = await endOf(
        spawn(options, [strace, "-f", "-y", "-qq", "-e", "trace=fdatasync,fsync", "-o", trace]),
      );
      assert.equal(acked, 200);
      // The runtime syncs files of its own, its cache of compiled modules.
      counts[sync] = (await Deno.readTextFile(trace)).split("\n").filter((line) =>
        /sync\(/.test(line) && line.includes(`${directory}/`)
      ).length;
    });
  }
  assert.ok(counts.always! >= 200, `always: ${counts.always}`);
  assert.ok(counts[50]! >= 1 && counts[50]! < counts.always!, `50 ms: ${counts[50]}`);
  assert.equal(counts.never, 0);
});
