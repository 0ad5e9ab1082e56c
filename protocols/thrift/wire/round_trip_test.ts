import assert from "node:assert/strict";
import fc from "fast-check";
import { anyMessage } from "../testdata/arbitrary.ts";
import { BinaryReader, BinaryWriter } from "./binary_protocol.ts";
import { CompactReader, CompactWriter } from "./compact_protocol.ts";
import { structCodec } from "./struct_codec.ts";
import { MessageCutter, type Mode } from "./transport.ts";
import { MessageType } from "./ttype.ts";
import type { Reader, Writer } from "./wire.ts";
import { WireError } from "./wire_error.ts";

const pairs: Array<[Writer, Reader]> = [
  [new BinaryWriter(), new BinaryReader()],
  [new CompactWriter(), new CompactReader()],
];

/** A whole message: head and one struct. */
function messageOf(
  writer: Writer,
  value: unknown,
  struct: Parameters<typeof structCodec>[0],
  seqid = 7,
): Uint8Array {
  writer.sink.clear();
  writer.messageBegin("method", MessageType.call, seqid);
  structCodec(struct).write(writer, value);
  return writer.sink.copy();
}

function readMessage(
  reader: Reader,
  bytes: Uint8Array,
  from: number,
  to: number,
  struct: Parameters<typeof structCodec>[0],
) {
  const head = { name: "", type: 0, seqid: 0 };
  reader.open(bytes, from, to);
  reader.messageBegin(head);
  const value = structCodec(struct).read(reader);
  return { head, value, at: reader.at };
}

Deno.test("structCodec() reads what it wrote, in both protocols, for any schema", () => {
  fc.assert(
    fc.property(anyMessage, fc.integer(), ({ struct, value }, seqid) => {
      for (const [writer, reader] of pairs) {
        const bytes = messageOf(writer, value, struct, seqid);
        const { head, value: read, at } = readMessage(reader, bytes, 0, bytes.length, struct);
        assert.deepEqual(head, { name: "method", type: MessageType.call, seqid });
        assert.deepEqual(read, value);
        assert.equal(at, bytes.length);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("MessageCutter.next() finds the same messages however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 3 }), fc.boolean(), (messages, framed) => {
      for (const [writer, reader] of pairs) {
        const parts = messages.map(({ struct, value }) => messageOf(writer, value, struct));
        const stream = joined(parts.map((part) => framed ? frame(part) : part));
        const { protocol } = writer;
        for (let cut = 0; cut <= stream.length; cut += stream.length > 500 ? 37 : 1) {
          const cutter = new MessageCutter(1 << 20);
          const found: unknown[] = [];
          for (const piece of [stream.subarray(0, cut), stream.subarray(cut)]) {
            feed(cutter, piece, () => {
              const { struct } = messages[found.length]!;
              found.push(readMessage(reader, cutter.bytes, cutter.from, cutter.to, struct).value);
            });
          }
          assert.deepEqual(found, messages.map(({ value }) => value));
          assert.deepEqual(cutter.mode, { framed, protocol, strict: true } satisfies Mode);
        }
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("MessageCutter.next() needs each byte once when they come one by one", () => {
  fc.assert(
    fc.property(anyMessage, ({ struct, value }) => {
      for (const [writer, reader] of pairs) {
        const stream = messageOf(writer, value, struct);
        const cutter = new MessageCutter(1 << 20);
        let found = 0;
        for (let at = 0; at < stream.length; at++) {
          assert.equal(found, 0, "before its last byte");
          feed(cutter, stream.subarray(at, at + 1), () => {
            found++;
            assert.deepEqual(readMessage(reader, cutter.bytes, cutter.from, cutter.to, struct).value, value);
          });
        }
        assert.equal(found, 1);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("readers and MessageCutter give nothing but WireError for bytes that were changed", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      anyMessage,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.boolean(),
      ({ struct, value }, changes, cut, framed) => {
        for (const [writer, reader] of pairs) {
          const part = messageOf(writer, value, struct);
          for (const [at, byte] of changes) part[at % part.length] = byte;
          const stream = (framed ? frame(part) : part).subarray(0, 1 + cut % (part.length + 4));
          const cutter = new MessageCutter(1 << 16);
          try {
            feed(
              cutter,
              stream,
              () => void readMessage(reader, cutter.bytes, cutter.from, cutter.to, struct),
            );
          } catch (error) {
            if (!(error instanceof WireError)) throw error;
            refused++;
          }
        }
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(refused > 100, `${refused} refused`);
});

Deno.test("what MessageCutter.next() finds is as long as what the reader reads", () => {
  const random = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(random, fc.constantFrom(0, 1), (tail, which) => {
      const [writer, reader] = pairs[which]!;
      writer.sink.clear();
      writer.messageBegin("m", MessageType.call, 1);
      writer.sink.raw(tail);
      const stream = writer.sink.copy();
      const cutter = new MessageCutter(1 << 16);
      try {
        feedOnce(cutter, stream, () => {
          reader.open(cutter.bytes, cutter.from, cutter.to);
          reader.messageBegin({ name: "", type: 0, seqid: 0 });
          reader.skip(12);
          assert.equal(reader.at, cutter.to);
        });
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

function feed(cutter: MessageCutter, piece: Uint8Array, found: () => void): void {
  for (let at = 0; at < piece.length;) {
    const room = cutter.room();
    const count = Math.min(room.length, piece.length - at);
    room.set(piece.subarray(at, at + count));
    cutter.filled(count);
    at += count;
    while (cutter.next(false)) found();
  }
}

function feedOnce(cutter: MessageCutter, piece: Uint8Array, found: () => void): void {
  cutter.room().set(piece);
  cutter.filled(piece.length);
  if (cutter.next(false)) found();
}

function frame(part: Uint8Array): Uint8Array {
  const framed = new Uint8Array(part.length + 4);
  new DataView(framed.buffer).setInt32(0, part.length);
  framed.set(part, 4);
  return framed;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
