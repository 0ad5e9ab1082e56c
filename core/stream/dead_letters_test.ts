import assert from "node:assert/strict";
import { join } from "node:path";
import { DeadLetters } from "./dead_letters.ts";

function letter(sequence: number, bytes: number) {
  const record = {
    lane: "worker1-2-3",
    sequence,
    timestamp: 1,
    key: null,
    headers: {},
    value: new Uint8Array(bytes),
  };
  return { record, cause: "no" };
}

const sequencesOf = (path: string) =>
  Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line).sequence);

Deno.test("DeadLetters keeps two files at most and says what it gives up", () => {
  const folder = Deno.makeTempDirSync();
  const gaveUp: number[] = [];
  const letters = new DeadLetters(folder, { maxFileBytes: 1000, gaveUp: (bytes) => void gaveUp.push(bytes) });
  for (let sequence = 1; sequence <= 10; sequence++) letters.append([letter(sequence, 200)], 0);
  const [older, newer] = [sequencesOf(join(folder, "dead.1.jsonl")), sequencesOf(join(folder, "dead.jsonl"))];
  const kept = [...older, ...newer];
  assert.deepEqual(kept, Array.from({ length: kept.length }, (_, n) => 10 - kept.length + 1 + n));
  // the first time a file is full there is no older one yet
  assert.equal(gaveUp.length, Math.ceil(10 / older.length) - 2);
  assert.ok(gaveUp.length > 0);
  for (const name of ["dead.jsonl", "dead.1.jsonl"]) {
    assert.ok(Deno.statSync(join(folder, name)).size <= 1000);
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("DeadLetters leaves nothing of what could not be written as a whole", () => {
  const folder = Deno.makeTempDirSync();
  Deno.symlinkSync("/dev/full", join(folder, "dead.jsonl"));
  const letters = new DeadLetters(folder, { gaveUp() {} });
  assert.throws(() => letters.append([letter(1, 10)], 0), /No space left/);
  Deno.removeSync(join(folder, "dead.jsonl"));
  letters.append([letter(1, 10)], 0);
  assert.deepEqual(sequencesOf(join(folder, "dead.jsonl")), [1]);
  Deno.removeSync(folder, { recursive: true });
});
