import assert from "node:assert/strict";
import fc from "fast-check";
import type { FramingPlan } from "../../core/manifest/plan.ts";
import { codecOf, type FramingCodec, framingOf } from "./framing.ts";
import { FramingError } from "./framing_error.ts";
import { boundBytes, bounded, framings } from "./testdata/framings.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (written: string) => new TextEncoder().encode(written);

function wire(codec: FramingCodec, frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const room = frames.reduce((sum, frame) => sum + frame.length + codec.framing.overheadBytes, 0);
  const into = new Uint8Array(room);
  let at = 0;
  for (const frame of frames) at = codec.encode(frame, into, at);
  return into.subarray(0, at);
}

/** Feeds `pieces` and answers copies of all frames. */
function decode(codec: FramingCodec, pieces: readonly Uint8Array[]): Uint8Array[] {
  const decoder = codec.decoder();
  const frames: Uint8Array[] = [];
  for (let piece of pieces) {
    while (piece.length > 0) {
      const room = decoder.room(false);
      const count = Math.min(room.length, piece.length);
      room.set(piece.subarray(0, count));
      decoder.filled(count);
      piece = piece.subarray(count);
      for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(frame.slice());
    }
  }
  decoder.end();
  return frames;
}

function failure(plan: FramingPlan, input: Uint8Array): FramingError {
  try {
    decode(codecOf(plan), [input]);
  } catch (error) {
    assert(error instanceof FramingError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "decoding did not fail" });
}

/** Frames that `codec` can send. */
function frameArbitrary(codec: FramingCodec): fc.Arbitrary<Uint8Array> {
  const { framing } = codec;
  if (framing.name === "fixed") return fc.uint8Array({ minLength: 7, maxLength: 7 });
  const any = fc.uint8Array({ maxLength: boundBytes });
  const tricky = fc.array(fc.constantFrom(..."ab-\r\n:,0", "--abab"), { maxLength: 6 }).map((
    letters,
  ) => bytes(letters.join("")));
  return fc.oneof(any, tricky).filter((frame) => framing.misfit(frame) === undefined);
}

for (const [name, plan] of framings) {
  const codec = codecOf(plan);

  Deno.test(`Decoder yields the same frames when the bytes are split at every position: ${name}`, () => {
    const samples = fc.sample(fc.array(frameArbitrary(codec), { minLength: 1, maxLength: 4 }), {
      numRuns: 20,
      seed: 7,
    });
    for (const frames of samples) {
      const all = wire(codec, frames);
      for (let at = 0; at <= all.length; at++) {
        assert.deepEqual(decode(codec, [all.slice(0, at), all.slice(at)]), frames);
      }
      assert.deepEqual(decode(codec, [...all].map((byte) => new Uint8Array([byte]))), frames);
    }
  });

  Deno.test(`Decoder yields the same frames when the bytes are split and merged anywhere: ${name}`, () => {
    fc.assert(
      fc.property(
        fc.array(frameArbitrary(codec), { maxLength: 400, size: "max" }),
        fc.array(fc.nat(12_000), { maxLength: 30, size: "max" }),
        (frames, cuts) => {
          const all = wire(codec, frames);
          const places = [...new Set(cuts.filter((cut) => cut < all.length))].sort((a, b) => a - b);
          const pieces = [0, ...places].map((place, index) => all.slice(place, places[index] ?? all.length));
          assert.deepEqual(decode(codec, pieces), frames);
        },
      ),
      { numRuns: 40 },
    );
  });

  Deno.test(`Decoder yields frames, asks for more or throws FramingError when fed random bytes: ${name}`, () => {
    const letters = fc.array(fc.constantFrom(..."0123456789:,ab-\r\n\0"), { maxLength: 200 }).map((all) =>
      bytes(all.join(""))
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), letters), (input) => {
        const decoder = codec.decoder();
        try {
          for (let at = 0; at < input.length;) {
            const room = decoder.room(at % 3 === 0);
            const count = Math.min(room.length, input.length - at, 1 + at % 50);
            room.set(input.subarray(at, at + count));
            decoder.filled(count);
            at += count;
            for (let frame = decoder.next(); frame; frame = decoder.next()) {
              assert(frame.length <= codec.framing.maxBytes);
            }
            assert(decoder.heldBytes <= boundBytes + codec.framing.overheadBytes);
            assert(decoder.memoryBytes <= 64 * 1024);
          }
          decoder.end();
        } catch (error) {
          assert(error instanceof FramingError, String(error));
          assert(error.offset >= 0 && error.offset <= input.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  if (name !== "fixed") {
    Deno.test(`Decoder takes frames of 0, max - 1 and max bytes and no longer ones: ${name}`, () => {
      const wide = codecOf(bounded(plan, boundBytes + 1));
      for (const length of [0, 1, boundBytes - 1, boundBytes]) {
        const frame = new Uint8Array(length).fill(0x78);
        assert.deepEqual(decode(codec, [wire(codec, [frame, frame])]), [frame, frame]);
      }
      const long = wire(wide, [new Uint8Array(boundBytes + 1).fill(0x78)]);
      const error = failure(plan, long);
      assert.equal(error.reason, "body_too_large");
      assert.equal(error.source, "client");
      assert.equal(error.offset, 0);
    });
  }

  Deno.test(`Decoder.end() throws protocol_error when the connection ends in a frame: ${name}`, () => {
    const all = wire(codec, [new Uint8Array(7).fill(0x78)]);
    for (let at = 1; at < all.length; at++) {
      const error = failure(plan, all.slice(0, at));
      assert.equal(error.reason, "protocol_error");
      assert.equal(error.offset, at);
    }
  });
}

const vectors: ReadonlyArray<readonly [FramingPlan, string, number[]]> = [
  [{ lengthPrefix: { bytes: 1, endian: "big", includesItself: false }, max: 99 }, "hi", [2, 104, 105]],
  [{ lengthPrefix: { bytes: 2, endian: "big", includesItself: false }, max: 99 }, "hi", [0, 2, 104, 105]],
  [{ lengthPrefix: { bytes: 2, endian: "little", includesItself: true }, max: 99 }, "hi", [4, 0, 104, 105]],
  [{ lengthPrefix: { bytes: 4, endian: "big", includesItself: true }, max: 99 }, "hi", [
    0,
    0,
    0,
    6,
    104,
    105,
  ]],
  [{ lengthPrefix: { bytes: 4, endian: "little", includesItself: false }, max: 99 }, "hi", [
    2,
    0,
    0,
    0,
    104,
    105,
  ]],
  [{ lengthPrefix: { bytes: 8, endian: "little", includesItself: false }, max: 99 }, "", [
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]],
  [{ lengthPrefix: { bytes: 8, endian: "big", includesItself: true }, max: 99 }, "", [
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    8,
  ]],
  [{ delimiter: "\r\n", max: 99 }, "hi", [104, 105, 13, 10]],
  [{ delimiter: "→", max: 99 }, "a", [97, 0xe2, 0x86, 0x92]],
  [{ netstring: {}, max: 99 }, "hello world!", [...bytes("12:hello world!,")]],
  [{ netstring: {}, max: 99 }, "", [...bytes("0:,")]],
  [{ fixed: 2, max: 99 }, "hi", [104, 105]],
  [{ varint: {}, max: 999 }, "hi", [2, 104, 105]],
  [{ varint: {}, max: 999 }, "x".repeat(300), [0xac, 0x02, ...bytes("x".repeat(300))]],
];

Deno.test("encode() writes the bytes of the specification", () => {
  for (const [plan, frame, expected] of vectors) {
    const codec = codecOf(plan);
    assert.deepEqual([...wire(codec, [bytes(frame)])], expected, `${codec.framing.name} ${frame}`);
    assert.deepEqual(decode(codec, [new Uint8Array(expected)]).map(text), [frame]);
  }
});

Deno.test("encode() writes lengths of more than 32 bits", () => {
  const into = new Uint8Array(20);
  const length = 2 ** 40 + 5;
  const plan = { lengthPrefix: { bytes: 8, endian: "big", includesItself: false }, max: 1 } as const;
  framingOf(plan).head(length, into, 0);
  assert.equal(new DataView(into.buffer).getBigUint64(0), BigInt(length));
  const end = framingOf({ netstring: {}, max: 1 }).head(length, into, 0);
  assert.equal(text(into.subarray(0, end)), `${length}:`);
  const varintEnd = framingOf({ varint: {}, max: 1 }).head(length, into, 0);
  assert.deepEqual([...into.subarray(0, varintEnd)], [0x85, 0x80, 0x80, 0x80, 0x80, 0x20]);
});

Deno.test("encode() throws RangeError when there is no room", () => {
  const codec = codecOf({ netstring: {}, max: 99 });
  assert.throws(() => codec.encode(bytes("hi"), new Uint8Array(4)), RangeError);
});

const garbage: ReadonlyArray<readonly [FramingPlan, string | number[], string, number, RegExp]> = [
  [{ netstring: {}, max: 99 }, "2:hi,x:", "protocol_error", 5, /"x" in place of a length/],
  [{ netstring: {}, max: 99 }, ":", "protocol_error", 0, /":" in place of a length/],
  [{ netstring: {}, max: 99 }, "02:hi,", "protocol_error", 0, /leading zero/],
  [{ netstring: {}, max: 99 }, "00:,", "protocol_error", 0, /leading zero/],
  [{ netstring: {}, max: 99 }, "2;hi,", "protocol_error", 1, /";" in place of a colon/],
  [{ netstring: {}, max: 99 }, "2:hi\n", "protocol_error", 4, /0x0a in place of a comma/],
  [{ netstring: {}, max: 99 }, "2:hi,-1:", "protocol_error", 5, /"-"/],
  [{ netstring: {}, max: 99 }, "100", "body_too_large", 0, /100 or more bytes; at most 99/],
  [{ netstring: {}, max: 99 }, "9".repeat(400), "body_too_large", 0, /at most 99/],
  [
    { varint: {}, max: 2 ** 52 },
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    "protocol_error",
    0,
    /8 bytes/,
  ],
  [{ varint: {}, max: 99 }, [1, 0, 0xff], "body_too_large", 2, /127 or more/],
  [{ varint: {}, max: 2 ** 53 - 1 }, Array(8).fill(0xff), "body_too_large", 0, /at most/],
  [
    { lengthPrefix: { bytes: 4, endian: "big", includesItself: true }, max: 99 },
    [0, 0, 0, 3],
    "protocol_error",
    0,
    /A length of 3, but it counts its own 4 bytes/,
  ],
  [
    { lengthPrefix: { bytes: 8, endian: "big", includesItself: false }, max: 99 },
    Array(8).fill(0xff),
    "body_too_large",
    0,
    /at most 99/,
  ],
  [
    { lengthPrefix: { bytes: 4, endian: "big", includesItself: false }, max: 99 },
    [0, 0, 0, 0, 255, 255, 255, 255],
    "body_too_large",
    4,
    /4294967295 bytes; at most 99/,
  ],
  [{ delimiter: "\r\n", max: 4 }, "12345\n", "body_too_large", 0, /more than 4/],
];

Deno.test("Decoder throws a typed error with its place when bytes cannot be a frame", () => {
  for (const [plan, input, reason, offset, message] of garbage) {
    const error = failure(plan, typeof input === "string" ? bytes(input) : new Uint8Array(input));
    assert.equal(error.reason, reason, String(input));
    assert.equal(error.offset, offset, String(input));
    assert.match(error.message, message);
  }
});

Deno.test("Decoder refuses a declared length at once, without waiting for its bytes", () => {
  const declared: Array<[FramingPlan, number[]]> = [
    [{ lengthPrefix: { bytes: 2, endian: "big", includesItself: false }, max: 99 }, [0, 100]],
    [{ netstring: {}, max: 99 }, [...bytes("100")]],
    [{ varint: {}, max: 99 }, [0x64]],
  ];
  for (const [plan, input] of declared) {
    const decoder = codecOf(plan).decoder();
    decoder.room(false).set(input);
    decoder.filled(input.length);
    assert.throws(() => decoder.next(), { reason: "body_too_large" });
  }
});

Deno.test("varint() reads a length with needless groups as what it means", () => {
  assert.deepEqual(decode(codecOf({ varint: {}, max: 99 }), [new Uint8Array([0x81, 0x80, 0x00, 7])]), [
    new Uint8Array([7]),
  ]);
});

Deno.test("framingOf() throws TypeError when the framing cannot work", () => {
  assert.throws(() => framingOf({ delimiter: "", max: 9 }), TypeError);
  assert.throws(() => framingOf({ delimiter: "123456789", max: 9 }), /9 bytes, allowed are 1 to 8/);
  assert.throws(() => framingOf({ fixed: 0, max: 9 }), TypeError);
  assert.throws(() => framingOf({ max: 9 } as FramingPlan), /names no framing/);
});

Deno.test("misfit() says why a frame cannot be sent", () => {
  const lines = framingOf({ delimiter: "\r\n", max: 999 });
  assert.equal(lines.misfit(bytes("a\rb\nc")), undefined);
  assert.match(lines.misfit(bytes("a\r\n"))!, /contains the delimiter, at byte 1/);
  assert.match(lines.misfit(bytes("x".repeat(200) + "\r\n"))!, /at byte 200/);
  const short = framingOf({ lengthPrefix: { bytes: 1, endian: "big", includesItself: true }, max: 999 });
  assert.equal(short.misfit(new Uint8Array(254)), undefined);
  assert.match(short.misfit(new Uint8Array(255))!, /255 bytes; a length of 1 bytes counts 254 at most/);
  assert.match(framingOf({ fixed: 3, max: 9 }).misfit(bytes("ab"))!, /2 bytes; every frame has 3/);
});

Deno.test("misfit() knows delimiters that begin as they end", () => {
  const codec = codecOf({ delimiter: "abab", max: 99 });
  assert.match(codec.framing.misfit(bytes("xab"))!, /its end and the delimiter behind it/);
  const words = fc.array(fc.constantFrom("a", "b", "x"), { maxLength: 9 }).map((all) => bytes(all.join("")));
  fc.assert(fc.property(words, words, (first, second) => {
    const sendable = codec.framing.misfit(first) === undefined && codec.framing.misfit(second) === undefined;
    let frames: Uint8Array[] | undefined;
    try {
      frames = decode(codec, [wire(codec, [first, second])]);
    } catch (error) {
      assert(error instanceof FramingError);
    }
    const same = frames?.length === 2 && text(frames[0]) === text(first) && text(frames[1]) === text(second);
    assert.equal(same, sendable);
  }));
});

Deno.test("delimiter() finds delimiters far behind the beginning, also across reads", () => {
  const codec = codecOf({ delimiter: "aab", max: 9000 });
  const frame = bytes("a".repeat(5000) + "x");
  const all = wire(codec, [frame, frame]);
  for (const at of [1, 70, 4095, 4096, 4097, 5001, 5002, 5003, 5004, 5005]) {
    assert.deepEqual(decode(codec, [all.slice(0, at), all.slice(at)]), [frame, frame]);
  }
});
