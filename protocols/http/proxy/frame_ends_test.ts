import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameEnds } from "./frame_ends.ts";

/** A frame with `length` bytes of payload that look like heads themselves. */
function frame(length: number, masked: boolean): Uint8Array {
  const head = length < 126
    ? [0x82, length]
    : length < 65536
    ? [0x82, 126, length >> 8, length & 255]
    : [0x82, 127, 0, 0, 0, 0, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
  if (masked) head[1]! |= 128;
  const bytes = new Uint8Array(head.length + (masked ? 4 : 0) + length).fill(0x81);
  bytes.set(head);
  return bytes;
}

const lengths = fc.constantFrom(0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70000);

Deno.test("FrameEnds finds every end, however the bytes are cut", () => {
  const frames = fc.array(fc.record({ length: lengths, masked: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 5000 }), (given, step) => {
      const parts = given.map(({ length, masked }) => frame(length, masked));
      const wanted: number[] = [];
      let total = 0;
      for (const part of parts) wanted.push(total += part.length);
      const bytes = new Uint8Array(total);
      parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
      const ends = new FrameEnds();
      const found: number[] = [];
      for (let at = 0; at < total;) {
        const piece = bytes.subarray(at, Math.min(total, at + step));
        const taken = ends.take(piece, true);
        at += taken;
        if (ends.between) found.push(at);
        else assert.equal(taken, piece.length, "it stopped where no frame ends");
      }
      assert.deepEqual(found, wanted);
      const whole = new FrameEnds();
      assert.equal(whole.take(bytes), total);
      assert.ok(whole.between);
    }),
    { numRuns: 100 },
  );
});
