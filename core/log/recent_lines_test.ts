import assert from "node:assert/strict";
import { readRecent, RecentFiles, RecentLines } from "./recent_lines.ts";

const line = (n: number, more: Record<string, unknown> = {}) =>
  JSON.stringify({ ts: new Date(n).toISOString(), level: "info", logger: "worker", n, ...more }) + "\n";

Deno.test("RecentLines keeps the last lines, oldest first", () => {
  const recent = new RecentLines(3);
  assert.deepEqual(recent.last(5), []);
  for (let n = 1; n <= 5; n++) recent.add(`${n}\n`);
  assert.deepEqual(recent.last(10), ["3", "4", "5"]);
  assert.deepEqual(recent.last(2), ["4", "5"]);
  assert.deepEqual(recent.last(0), []);
});

Deno.test("RecentFiles keeps to its bound and readRecent() reads it while it is written", async () => {
  const folder = await Deno.makeTempDir();
  const files = new RecentFiles(folder, "worker-1", 10, 4000);
  for (let n = 0; n < 1000; n++) {
    assert.deepEqual(await files.write([line(n), line(n + 0.5)]), { written: 2, torn: false });
  }
  let bytes = 0;
  for await (const { name } of Deno.readDir(`${folder}/recent`)) {
    const info = await Deno.stat(`${folder}/recent/${name}`);
    assert.equal(info.mode! & 0o777, 0o600);
    bytes += info.size;
  }
  assert.ok(bytes > 4000 && bytes <= 8000, `${bytes} bytes`);
  const lines = await readRecent(folder, { limit: 30 });
  assert.equal(lines.length, 30);
  assert.equal(lines.at(-1)!.n, 999.5);
  files.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("readRecent() merges processes by time, filters by logger and level, and skips half a line", async () => {
  const folder = await Deno.makeTempDir();
  assert.deepEqual(await readRecent(folder, { limit: 5 }), []);
  const one = new RecentFiles(folder, "worker-1", 10);
  const two = new RecentFiles(folder, "governor-1", 11);
  await one.write([line(1), line(3, { level: "error", logger: "access.api" })]);
  await two.write([line(2), line(4, { level: "warning" }), '{"ts":"2026']);
  const numbers = async (query: { logger?: string; level?: string; limit: number }) =>
    (await readRecent(folder, query)).map(({ n }) => n);
  assert.deepEqual(await numbers({ limit: 9 }), [1, 2, 3, 4]);
  assert.deepEqual(await numbers({ limit: 2 }), [3, 4]);
  assert.deepEqual(await numbers({ limit: 9, level: "warn" }), [3, 4]);
  assert.deepEqual(await numbers({ limit: 9, logger: "access.*" }), [3]);
  await assert.rejects(readRecent(folder, { limit: 9, level: "loud" }), RangeError);
  one.close();
  two.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("RecentFiles keeps the files of the process before it, so that the dead can be read, and no older ones", async () => {
  const folder = await Deno.makeTempDir();
  for (const pid of [10, 11, 12]) {
    const files = new RecentFiles(folder, "worker-1", pid);
    await files.write([line(pid)]);
    files.close();
    await Deno.utime(`${folder}/recent/worker-1.${pid}.1`, pid, pid);
  }
  const other = new RecentFiles(folder, "worker-10", 13);
  await other.write([line(13)]);
  other.close();
  assert.deepEqual((await readRecent(folder, { limit: 9 })).map(({ n }) => n), [11, 12, 13]);
  await Deno.remove(folder, { recursive: true });
});
