import assert from "node:assert/strict";
import { Decoder, largestChunkBytes, smallestChunkBytes } from "./decoder.ts";
import { framingOf } from "./framing.ts";

const netstring = (max: number) => new Decoder(framingOf({ netstring: {}, max }));
const prefixed = (max: number) =>
  new Decoder(framingOf({ lengthPrefix: { bytes: 4, endian: "big", includesItself: false }, max }));

function feed(decoder: Decoder, input: string | Uint8Array, pinned = false): Uint8Array[] {
  let rest = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const frames: Uint8Array[] = [];
  while (rest.length > 0) {
    const room = decoder.room(pinned);
    const count = Math.min(room.length, rest.length);
    room.set(rest.subarray(0, count));
    decoder.filled(count);
    rest = rest.subarray(count);
    for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(frame);
  }
  return frames;
}

function message(length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(4 + length).fill(fill);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

Deno.test("Decoder yields views of the memory it was read into when a frame lies whole in it", () => {
  const decoder = netstring(99);
  const room = decoder.room(false);
  room.set(new TextEncoder().encode("2:hi,3:you,"));
  decoder.filled(11);
  const [first, second] = [decoder.next()!, decoder.next()!];
  assert.equal(first.buffer, room.buffer);
  assert.equal(second.buffer, room.buffer);
  assert.equal(second.byteOffset, 7);
});

Deno.test("Decoder uses the same memory again when nothing is pinned", () => {
  const decoder = netstring(99);
  const room = decoder.room(false);
  for (let round = 0; round < 100; round++) {
    feed(decoder, "2:hi,");
    assert.equal(decoder.room(false), room);
  }
});

Deno.test("Decoder never writes over views while they are pinned", () => {
  const decoder = prefixed(1 << 20);
  const kept: Array<[Uint8Array, number, number]> = [];
  let fill = 0;
  for (const length of [10, 3000, 100, 0, 5000, 70_000, 1, 2, 200_000, 4090, 64 * 1024, 9]) {
    for (let repeat = 0; repeat < 3; repeat++) {
      fill = (fill + 1) % 256;
      for (const frame of feed(decoder, message(length, fill), true)) kept.push([frame, length, fill]);
    }
  }
  assert.equal(kept.length, 36);
  for (const [frame, length, byte] of kept) {
    assert.equal(frame.length, length);
    assert(frame.every((one) => one === byte));
  }
});

Deno.test("Decoder.abandon() keeps views although they are not pinned", () => {
  const decoder = netstring(99);
  const [view] = feed(decoder, "2:hi,");
  decoder.abandon();
  feed(decoder, "5:later,".repeat(2000));
  assert.equal(new TextDecoder().decode(view), "hi");
});

Deno.test("Decoder takes no more memory than twice what came when a long frame is announced", () => {
  const decoder = prefixed(1 << 30);
  const start = message(96, 1);
  new DataView(start.buffer).setUint32(0, 1 << 29);
  feed(decoder, start);
  assert(decoder.room(false).length > 0);
  assert.equal(decoder.memoryBytes, smallestChunkBytes);
  feed(decoder, new Uint8Array(300_000));
  decoder.room(false);
  assert(decoder.memoryBytes <= 700_000, String(decoder.memoryBytes));
});

Deno.test("Decoder gives back the memory of a long frame when short ones follow", () => {
  const decoder = prefixed(1 << 20);
  feed(decoder, message(500_000, 1));
  decoder.room(false);
  assert(decoder.memoryBytes > largestChunkBytes);
  feed(decoder, message(5, 1));
  decoder.room(false);
  assert(decoder.memoryBytes <= largestChunkBytes);
});

Deno.test("Decoder grows for a peer that fills its memory and shrinks for one that does not", () => {
  const decoder = netstring(99);
  assert.equal(decoder.room(false).length, smallestChunkBytes);
  feed(decoder, "5:12345,".repeat(20_000));
  assert.equal(decoder.room(false).length, largestChunkBytes);
  for (let read = 0; read < 200; read++) feed(decoder, "5:12345,");
  assert.equal(decoder.room(false).length, smallestChunkBytes);
});

Deno.test("Decoder.consumedBytes counts the bytes of all frames so far", () => {
  const decoder = netstring(99);
  feed(decoder, "5:12345,".repeat(5000) + "2:h");
  assert.equal(decoder.consumedBytes, 40_000);
  assert.equal(decoder.heldBytes, 3);
});
