import assert from "node:assert/strict";
import fc from "fast-check";
import { maxOverheadBytes } from "./chunked_body.ts";
import { maxFields } from "./reply_head.ts";
import { ResponseParser } from "./response_parser.ts";
import { type Outcome, type Pair, parse, readPairs } from "./testdata/read_replies.ts";

const pairs = readPairs();
const complete = pairs.filter(({ expected, closed }) => "status" in expected && !closed);

function wire(text: string, closed = false): Pick<Pair, "method" | "upgrade" | "closed" | "bytes"> {
  return { method: "GET", upgrade: false, closed, bytes: Uint8Array.from(text, (one) => one.charCodeAt(0)) };
}

Deno.test("ResponseParser makes of every fixture what stands beside it", () => {
  assert.ok(pairs.length > 70, `there are only ${pairs.length}`);
  for (const pair of pairs) assert.deepEqual(parse(pair).outcome, pair.expected, pair.name);
});

Deno.test("ResponseParser makes the same of every fixture however it is divided", () => {
  for (const pair of pairs) {
    const every = Array.from({ length: pair.bytes.length }, (_, i) => i);
    assert.deepEqual(parse(pair, every).outcome, pair.expected, `${pair.name}, byte by byte`);
    for (const at of every) {
      assert.deepEqual(parse(pair, [at]).outcome, pair.expected, `${pair.name} cut at ${at}`);
    }
  }
});

Deno.test("ResponseParser makes the same of any division into pieces", () => {
  fc.assert(
    fc.property(fc.constantFrom(...pairs), fc.array(fc.nat(200), { maxLength: 8 }), (pair, cuts) => {
      assert.deepEqual(parse(pair, cuts).outcome, pair.expected);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("ResponseParser is not misled by earlier replies of the connection", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...complete), { minLength: 2, maxLength: 6 }), (sequence) => {
      const parser = new ResponseParser(65_536);
      for (const pair of sequence) assert.deepEqual(parse(pair, [], parser).outcome, pair.expected);
    }),
    { numRuns: 2000 },
  );
});

const name = fc.constantFrom(
  "date",
  "Date",
  "etag",
  "x-a",
  "X-A",
  "x-ab",
  "set-cookie",
  "x-" + "long".repeat(40),
);
const value = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "b",
    "Mon, 01 Jan 2024 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:01 GMT",
    "x".repeat(200),
  ),
  fc.string({
    maxLength: 20,
    unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
  }),
);
const fields = fc.array(fc.tuple(name, value), { maxLength: 40 });

Deno.test("ResponseParser reads heads on a used connection as on a new one", () => {
  fc.assert(
    fc.property(fc.array(fields, { minLength: 2, maxLength: 5 }), (heads) => {
      const parser = new ResponseParser(65_536);
      for (const head of heads) {
        const lines = head.map(([one, text]) => `${one}: ${text}\r\n`).join("");
        const expected: Outcome = {
          status: 200,
          headers: [...head.flatMap(([one, text]) => [one.toLowerCase(), text]), "content-length", "0"],
          body: "",
        };
        const pair = wire(`HTTP/1.1 200 OK\r\n${lines}content-length: 0\r\n\r\n`);
        assert.deepEqual(parse(pair, [], parser).outcome, expected);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("ResponseParser reports how much stands behind a reply when replies follow one another", () => {
  fc.assert(
    fc.property(fc.constantFrom(...complete), fc.constantFrom(...complete), fc.nat(300), (a, b, cut) => {
      const bytes = new Uint8Array([...a.bytes, ...b.bytes]);
      const { outcome, rest } = parse({ ...a, bytes }, [cut]);
      assert.deepEqual(outcome, a.expected);
      assert.equal(rest, b.bytes.length);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("ResponseParser ends with a reply or its one error whatever the bytes are", () => {
  const change = fc.record({
    at: fc.nat(400),
    remove: fc.nat(3),
    insert: fc.uint8Array({ maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.constantFrom(...pairs), fc.array(change, { minLength: 1, maxLength: 4 }), (pair, all) => {
      let bytes = [...pair.bytes];
      for (const { at, remove, insert } of all) {
        const place = bytes.length === 0 ? 0 : at % bytes.length;
        bytes = [...bytes.slice(0, place), ...insert, ...bytes.slice(place + remove)];
      }
      const mutated = { ...pair, closed: true, bytes: new Uint8Array(bytes) };
      const { outcome } = parse(mutated);
      const every = Array.from(bytes, (_, i) => i);
      assert.deepEqual(parse(mutated, every).outcome, outcome);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("ResponseParser bounds the head when it is complete, and when it never ends", () => {
  const head = (bytes: number) => `HTTP/1.1 204 No Content\r\nx: ${"a".repeat(bytes - 32)}\r\n\r\n`;
  assert.equal(head(256).length, 256);
  assert.equal("status" in parse(wire(head(256)), [], new ResponseParser(256)).outcome, true);
  const expected = { error: "the head is longer than 256 bytes" };
  assert.deepEqual(parse(wire(head(257)), [], new ResponseParser(256)).outcome, expected);
  assert.deepEqual(parse(wire(head(400).slice(0, 300)), [], new ResponseParser(256)).outcome, expected);
  const slowly = Array.from({ length: 400 }, (_, i) => i);
  assert.deepEqual(parse(wire(head(400)), slowly, new ResponseParser(256)).outcome, expected);
});

Deno.test("ResponseParser bounds fields, chunk extensions and trailers", () => {
  const many = (count: number) => `HTTP/1.1 204 No Content\r\n${"x: y\r\n".repeat(count)}\r\n`;
  assert.equal("status" in parse(wire(many(maxFields))).outcome, true);
  assert.deepEqual(parse(wire(many(maxFields + 1))).outcome, {
    error: `the head has more than ${maxFields} fields`,
  });
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  const error = { error: "chunk extensions or trailers are too long" };
  assert.deepEqual(parse(wire(chunked + `1;${"e".repeat(maxOverheadBytes)}\r\n`)).outcome, error);
  assert.deepEqual(parse(wire(chunked + "1;e\r\nx\r\n".repeat(maxOverheadBytes / 2 + 1))).outcome, error);
  assert.deepEqual(parse(wire(chunked + `0\r\nx: ${"y".repeat(maxOverheadBytes)}\r\n\r\n`)).outcome, error);
  const long = parse(wire(chunked + "1\r\nx\r\n".repeat(maxOverheadBytes) + "0\r\n\r\n")).outcome;
  assert.equal("body" in long && long.body?.length, maxOverheadBytes);
});

Deno.test("ResponseParser refuses bytes when no reply is expected", () => {
  const parser = new ResponseParser(1024);
  const { bytes } = wire("x");
  assert.throws(() => parser.next(bytes, 0, 1), {
    name: "ReplyError",
    message: "there are bytes that nobody asked for",
  });
});
