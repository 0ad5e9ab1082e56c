import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { CursorFile, type LaneCounts } from "./cursor_file.ts";

const countsOf = (done: number): LaneCounts => ({
  done,
  acked: done - 3,
  failed: 2,
  dropped: 1,
  damagedBytes: 2 ** 40,
  ackedAt: 1_700_000_000_000,
});

Deno.test("CursorFile gives the last counts, and the ones before when a write of it was torn anywhere", () => {
  const folder = Deno.makeTempDirSync();
  const path = join(folder, "cursor");
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 63 }),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      (writes, kept, garbage) => {
        Deno.writeFileSync(path, new Uint8Array());
        const cursor = new CursorFile(path);
        let before = new Uint8Array();
        for (let n = 1; n <= writes; n++) {
          before = Deno.readFileSync(path);
          cursor.write(countsOf(2 ** 40 + n), { sync: n === 3 });
        }
        assert.deepEqual(new CursorFile(path).read(), countsOf(2 ** 40 + writes));
        const after = Deno.readFileSync(path);
        const slot = writes % 2 * 64;
        const torn = after.slice();
        for (let at = kept; at < 64; at++) torn[slot + at] = before[slot + at] ?? 0;
        Deno.writeFileSync(path, torn);
        const same = torn.every((byte, at) => byte === after[at]);
        const expected = same
          ? countsOf(2 ** 40 + writes)
          : writes > 1
          ? countsOf(2 ** 40 + writes - 1)
          : undefined;
        assert.deepEqual(new CursorFile(path).read(), expected);
        torn.set(garbage, 0);
        torn.set(garbage, 64);
        Deno.writeFileSync(path, torn);
        const spoiled = new CursorFile(path);
        assert.equal(spoiled.read(), undefined);
        assert.equal(spoiled.damaged, true);
      },
    ),
    { numRuns: 100 },
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("CursorFile says that nothing was done where there is no file", () => {
  const cursor = new CursorFile("/nowhere/cursor");
  assert.equal(cursor.read(), undefined);
  assert.equal(cursor.damaged, false);
});
