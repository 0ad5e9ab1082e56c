import assert from "node:assert/strict";
import fc from "fast-check";
import { writeWholeLines } from "./whole_lines.ts";

const line = fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => text.replaceAll("\n", "") + "\n");

Deno.test("writeWholeLines() writes all lines in pieces that end at line ends, however little is taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 9 }),
      async (lines, maxPieceBytes, taken) => {
        const out: number[] = [];
        let offered: number[] = [];
        const result = await writeWholeLines(lines, maxPieceBytes, (bytes) => {
          if (out.length === 0 || out.at(-1) === 10) offered = [...bytes];
          const part = bytes.subarray(0, taken);
          assert.equal(bytes.at(-1), 10);
          assert.ok(offered.length <= maxPieceBytes || offered.indexOf(10) === offered.length - 1);
          out.push(...part);
          return Promise.resolve(part.length);
        });
        assert.deepEqual(result, { written: lines.length, torn: false });
        assert.equal(new TextDecoder().decode(new Uint8Array(out)), lines.join(""));
      },
    ),
  );
});

Deno.test("writeWholeLines() knows which lines are out when a write fails in between", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), fc.nat(400), async (lines, room) => {
      let out = "";
      let left = room;
      const decoder = new TextDecoder();
      const result = await writeWholeLines(lines, Infinity, (bytes) => {
        if (left === 0) return Promise.reject(new Error("full"));
        const part = bytes.subarray(0, Math.min(left, 7));
        left -= part.length;
        out += decoder.decode(part, { stream: true });
        return Promise.resolve(part.length);
      });
      const total = new TextEncoder().encode(lines.join("")).length;
      const whole = lines.slice(0, result.written).join("");
      assert.ok(out.startsWith(whole));
      assert.equal(result.error !== undefined, total > room);
      const wholeBytes = new TextEncoder().encode(whole).length;
      assert.equal(result.torn, total > room && wholeBytes < room);
    }),
  );
});
