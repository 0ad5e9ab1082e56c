import assert from "node:assert/strict";
import fc from "fast-check";
import { connectPacket, errorText, PacketReader, requestPacket, WireReader } from "./zookeeper_wire.ts";

Deno.test("PacketReader cuts packets out of any pieces", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }),
    fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 50 }),
    (bodies, sizes) => {
      const bytes = bodies.flatMap((body) => [0, 0, 0, body.length, ...body]);
      const reader = new PacketReader(64);
      const got: number[][] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        for (const body of reader.push(Uint8Array.from(bytes.slice(at, at + size)))) got.push([...body]);
        at += size;
      }
      assert.deepEqual(got, bodies.map((body) => [...body]));
    },
  ));
});

Deno.test("PacketReader and WireReader refuse lengths that cannot be", () => {
  const push = (...bytes: number[]) => [...new PacketReader(64).push(Uint8Array.from(bytes))];
  assert.throws(() => push(0, 0, 0, 65), /A packet of 65 bytes is not taken/);
  assert.throws(() => push(255, 255, 255, 255), /A packet of -1 bytes/);
  const reader = (...bytes: number[]) => new WireReader(Uint8Array.from(bytes));
  assert.throws(() => reader(0, 0, 0, 9, 65).text(), RangeError);
  assert.throws(() => reader(127, 255, 255, 255, 0).texts(), RangeError);
  assert.throws(() => reader(0, 0).int(), RangeError);
  assert.equal(reader(255, 255, 255, 255).text(), "");
  assert.deepEqual(reader(0, 0, 0, 2, 0, 0, 0, 1, 97, 0, 0, 0, 0).texts(), ["a", ""]);
});

Deno.test("packets are as the server reads them", () => {
  assert.deepEqual([...requestPacket(1, 8, "/a")], [
    0,
    0,
    0,
    15,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    8,
    0,
    0,
    0,
    2,
    47,
    97,
    1,
  ]);
  assert.deepEqual([...requestPacket(-2, 11)], [0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]);
  assert.equal(connectPacket(3000).length, 4 + 45);
  assert.equal(errorText(-115), "the login was refused");
  assert.equal(errorText(-3), "error -3");
});
