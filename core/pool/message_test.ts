import assert from "node:assert/strict";
import fc from "fast-check";
import { type Message, noRoom, type Payload, PayloadWriter, readPayload, tooLarge } from "./message.ts";
import { Ring, ringMemory } from "./ring.ts";

const before = 24;

function passed(payload: Payload, capacity = 4096): Payload {
  const memory = ringMemory(capacity);
  const producer = new Ring(memory);
  const writer = new PayloadWriter(producer, producer.maxBody - before);
  const at = writer.write(before, payload);
  assert.ok(at >= 0);
  producer.commit();
  const consumer = new Ring(memory);
  assert.equal(consumer.peek(), at);
  return readPayload(consumer, at + before, writer.bytes, writer.shape);
}

const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 60 }));
const body = fc.oneof(text, fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.constant(undefined));

Deno.test("PayloadWriter.write() and readPayload() keep every message, whatever its texts", () => {
  fc.assert(fc.property(text, body, (head, body) => {
    assert.deepEqual(passed({ head, body }), { head, body });
  }));
  const marked = { head: "\ufeffa", body: "\ufeffä€😀" };
  assert.deepEqual(passed(marked), marked);
});

Deno.test("PayloadWriter.write() and readPayload() keep bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    assert.deepEqual(passed(bytes), bytes);
  }));
});

Deno.test("readPayload() puts the replacement character where a surrogate stands alone", () => {
  assert.deepEqual(passed({ head: "a\ud800b", body: "\udc00" }), { head: "a\ufffdb", body: "\ufffd" });
});

Deno.test("readPayload() gives bytes that stay when the ring goes on", () => {
  const memory = ringMemory(256);
  const producer = new Ring(memory);
  const consumer = new Ring(memory);
  const writer = new PayloadWriter(producer, 64);
  const kept: Payload[] = [];
  for (let i = 0; i < 20; i++) {
    const at = writer.write(8, { head: "h", body: new Uint8Array(40).fill(i) });
    producer.commit();
    consumer.peek();
    kept.push(readPayload(consumer, at + 8, writer.bytes, writer.shape));
    consumer.release();
  }
  kept.forEach((payload, i) => assert.deepEqual((payload as Message).body, new Uint8Array(40).fill(i)));
});

Deno.test("PayloadWriter.write() says whether there is no room now or never", () => {
  const producer = new Ring(ringMemory(256));
  const writer = new PayloadWriter(producer, 100);
  assert.equal(writer.write(8, new Uint8Array(101)), tooLarge);
  assert.equal(writer.write(8, { head: "x".repeat(50), body: "y".repeat(51) }), tooLarge);
  assert.equal(writer.write(8, { head: "ä".repeat(50), body: undefined }), tooLarge);
  assert.ok(writer.write(8, { head: "ä".repeat(30), body: undefined }) >= 0);
  producer.commit();
  assert.ok(writer.write(8, new Uint8Array(100)) >= 0);
  producer.commit();
  assert.equal(writer.write(8, { head: "x".repeat(100), body: undefined }), noRoom);
});
