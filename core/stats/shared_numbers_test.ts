import assert from "node:assert/strict";
import { blockLength, createStatsFile, localStatsMemory, openStatsFile } from "./mod.ts";
import { sharedEntries } from "./layout.ts";

Deno.test("int32() adds, loads, stores and exchanges, by name", () => {
  const memory = localStatsMemory(1);
  const { shared } = memory;
  const budget = shared.int32("retry/users");
  assert.equal(budget.add(5), 0);
  assert.equal(budget.add(-2), 5);
  assert.equal(budget.compareExchange(3, 10), 3);
  assert.equal(budget.compareExchange(3, 11), 10);
  assert.equal(budget.peek(), 10);
  assert.equal(shared.int32("retry/users").load(), 10);
  shared.int32("other").store(-1);
  assert.equal(budget.load(), 10);
  assert.equal(shared.acrossProcesses, false);
});

Deno.test("int32() is exact when several processes name and add at once", async () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/stats`;
  createStatsFile(path, { slots: 1 });
  const { shared } = openStatsFile(path);
  assert.equal(shared.acrossProcesses, true);
  const names = ["a", "b", "c", "rate/10.0.0.1"];
  const script = new URL("testdata/adding_child.ts", import.meta.url);
  const children = [1, 2, 3].map(() =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script.href, path, "100000", ...names],
    }).spawn().status
  );
  for (const status of await Promise.all(children)) assert.equal(status.success, true);
  for (const name of names) assert.equal(shared.int32(name).load(), 300_000);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("block() gives 16 integers of one name, the same to every process", async () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/stats`;
  createStatsFile(path, { slots: 1 });
  const { shared } = openStatsFile(path);
  shared.int32("long".repeat(28)).store(7);
  const block = shared.block("breaker.users");
  assert.equal(block.length, blockLength);
  assert.deepEqual(block.map((one) => one.load()), new Array(16).fill(0));
  const script = `const { openStatsFile } = await import(${
    JSON.stringify(new URL("mod.ts", import.meta.url).href)
  });
    openStatsFile(Deno.args[0]).shared.block("breaker.users").forEach((one, n) => one.add(n + 1));`;
  const child = `${folder}/child.ts`;
  Deno.writeTextFileSync(child, script);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", child, path],
  }).output();
  assert.equal(success, true);
  assert.deepEqual(block.map((one) => one.load()), block.map((_, n) => n + 1));
  assert.equal(shared.int32("long".repeat(28)).load(), 7);
  assert.throws(() => shared.block("x".repeat(49)), /use 1 to 48 bytes/);
  for (let n = 2; n < sharedEntries; n++) shared.block(`block ${n}`)[15]!.store(n);
  assert.throws(() => shared.block("one more"), /all 2048 are taken/);
  for (let n = 2; n < sharedEntries; n++) assert.equal(shared.block(`block ${n}`)[15]!.load(), n);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("int32() refuses names that do not fit and more names than there are places", () => {
  const { shared } = localStatsMemory(1);
  assert.throws(() => shared.int32(""), RangeError);
  assert.throws(() => shared.int32("x".repeat(113)), RangeError);
  shared.int32("é".repeat(56)).add(1);
  for (let n = 1; n < sharedEntries; n++) shared.int32(`number ${n}`).store(n);
  assert.throws(() => shared.int32("one more"), /all 2048 are taken/);
  for (let n = 1; n < sharedEntries; n++) assert.equal(shared.int32(`number ${n}`).load(), n);
});

Deno.test("int32() takes over a place whose claimer died before naming it", () => {
  const memory = localStatsMemory(1);
  // A dead pid in the state of every place: whichever place the name hashes to is half-claimed.
  const { buffer } = memory.threadView() as { buffer: SharedArrayBuffer };
  const places = new Int32Array(buffer, 4096);
  for (let n = 0; n < sharedEntries; n++) places[n * 32] = 2 ** 22 + 12345;
  // What it had written of a long name is no number of a block that takes its place.
  for (let n = 0; n < sharedEntries; n++) places[n * 32 + 31] = 12345;
  memory.shared.int32("budget").add(3);
  assert.equal(memory.shared.int32("budget").load(), 3);
  assert.equal(memory.shared.block("breaker")[15]!.load(), 0);
});
