import assert from "node:assert/strict";
import fc from "fast-check";
import type { RedisArgument } from "../../core/context.ts";
import { borrowBytes, CommandWriter } from "./command_writer.ts";
import { commandOf } from "./commands.ts";
import { ReplyDecoder } from "./reply_decoder.ts";

const encoder = new TextEncoder();
const bytesOf = (arg: RedisArgument) => typeof arg === "object" ? arg : encoder.encode(String(arg));

/** All that is to be written, as it would be: memory of what was written is used again. */
function drain(writer: CommandWriter): Uint8Array {
  const all: number[] = [];
  for (let bytes = writer.take(); bytes; bytes = writer.take()) {
    for (const byte of bytes) all.push(byte);
    writer.written();
  }
  assert.equal(writer.pendingBytes, 0);
  return Uint8Array.from(all);
}

/** A command on the wire is a list of strings, so the decoder can read it. */
function read(bytes: Uint8Array, count: number): unknown[] {
  const decoder = new ReplyDecoder(64 * 1024 * 1024);
  const replies: unknown[] = [];
  for (let at = 0; at < bytes.length;) {
    const room = decoder.room();
    const piece = bytes.subarray(at, at + room.length);
    room.set(piece);
    decoder.filled(piece.length);
    at += piece.length;
    for (let reply = decoder.next(true); typeof reply !== "symbol"; reply = decoder.next(true)) {
      replies.push(reply);
    }
  }
  assert.equal(replies.length, count);
  return replies;
}

Deno.test("CommandWriter.command() writes the wire form", () => {
  const writer = new CommandWriter();
  writer.command(commandOf("set"), ["schlüssel", 12.5, 3n, new Uint8Array([0, 255]), ""]);
  const wire = new TextDecoder("latin1").decode(drain(writer));
  assert.equal(
    wire,
    "*6\r\n$3\r\nSET\r\n$10\r\nschl\xc3\xbcssel\r\n$4\r\n12.5\r\n$1\r\n3\r\n$2\r\n\0\xff\r\n$0\r\n\r\n",
  );
});

Deno.test("CommandWriter.command() writes names that nobody knows, and never more than one command", () => {
  const writer = new CommandWriter();
  writer.command(commandOf("x\r\n*1\r\n$8\r\nFLUSHALL"), []);
  const [[name]] = read(drain(writer), 1) as [[Uint8Array]];
  assert.equal(new TextDecoder().decode(name), "X\r\n*1\r\n$8\r\nFLUSHALL");
});

const argument: fc.Arbitrary<RedisArgument> = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ maxLength: 200, unit: "binary" }),
  fc.integer({ min: 60, max: 70 }).map((length) => "x".repeat(length)),
  // One digit more in bytes than in characters.
  fc.integer({ min: 2, max: 340 }).map((length) => "ü".repeat(length)),
  fc.integer(),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(borrowBytes - 1, borrowBytes, 3 * borrowBytes).map((length) => "y".repeat(length)),
  fc.constantFrom(borrowBytes - 1, borrowBytes, 3 * borrowBytes).map((length) =>
    new Uint8Array(length).fill(7)
  ),
);
const command = fc.tuple(
  fc.constantFrom("GET", "SET", "lpush", "My.Command"),
  fc.array(argument, { maxLength: 12 }),
);

Deno.test("CommandWriter.command() writes what a decoder reads back, batch after batch", () => {
  fc.assert(
    fc.property(fc.array(fc.array(command, { maxLength: 8 }), { maxLength: 4 }), (batches) => {
      const writer = new CommandWriter();
      for (const batch of batches) {
        for (const [name, args] of batch) writer.command(commandOf(name), args);
        const wanted = batch.map((
          [name, args],
        ) => [encoder.encode(name.toUpperCase()), ...args.map(bytesOf)]);
        assert.deepEqual(read(drain(writer), batch.length), wanted);
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("CommandWriter.take() gives one piece for many commands, and long arguments where they are", () => {
  const writer = new CommandWriter();
  for (let index = 0; index < 500; index++) writer.command(commandOf("GET"), [`key:${index}`]);
  const batch = writer.take();
  writer.written();
  assert.ok(batch);
  assert.equal(writer.take(), undefined);
  const long = new Uint8Array(borrowBytes);
  writer.command(commandOf("SET"), ["key", long]);
  assert.ok(writer.pendingBytes > borrowBytes);
  const pieces = [writer.take(), writer.take(), writer.take(), writer.take()];
  assert.equal(pieces[1], long);
  assert.equal(pieces[3], undefined);
});
