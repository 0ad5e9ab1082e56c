import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorReply, RedisError } from "./redis_error.ts";
import { mostDepth, ReplyDecoder, ReplyError, unfinished } from "./reply_decoder.ts";

const encoder = new TextEncoder();
const mebibyte = 1024 * 1024;

/** All replies of `bytes`, which arrive in pieces that end at `cuts`. */
function decode(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  asBytes = false,
  maxBytes = mebibyte,
): unknown[] {
  const decoder = new ReplyDecoder(maxBytes);
  const replies: unknown[] = [];
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    while (from < to) {
      const room = decoder.room();
      assert.ok(room.length > 0);
      const piece = bytes.subarray(from, Math.min(to, from + room.length));
      room.set(piece);
      decoder.filled(piece.length);
      from += piece.length;
      for (let reply = decoder.next(asBytes); reply !== unfinished; reply = decoder.next(asBytes)) {
        replies.push(decoder.push ? { push: reply } : reply);
      }
    }
  }
  return replies;
}

const one = (text: string) => {
  const replies = decode(encoder.encode(text));
  assert.equal(replies.length, 1, `${replies.length} replies in ${JSON.stringify(text)}`);
  return replies[0];
};

const good: Array<[string, unknown]> = [
  ["+OK\r\n", "OK"],
  ["+\r\n", ""],
  ["+straße\r\n", "straße"],
  [":0\r\n", 0],
  [":-0\r\n", 0],
  [":+7\r\n", 7],
  [":-1234567890\r\n", -1234567890],
  [":9007199254740991\r\n", Number.MAX_SAFE_INTEGER],
  [":9223372036854775807\r\n", 9223372036854775807n],
  [":-9223372036854775808\r\n", -9223372036854775808n],
  ["$-1\r\n", null],
  ["$0\r\n\r\n", ""],
  ["$5\r\nhello\r\n", "hello"],
  ["$2\r\n\r\n\r\n", "\r\n"],
  ["*-1\r\n", null],
  ["*0\r\n", []],
  ["*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", [1, null, ["x"]]],
  ["_\r\n", null],
  ["#t\r\n", true],
  ["#f\r\n", false],
  [",3.25\r\n", 3.25],
  [",-1e3\r\n", -1000],
  [",10\r\n", 10],
  [",inf\r\n", Infinity],
  [",-inf\r\n", -Infinity],
  [",nan\r\n", NaN],
  ["(3492890328409238509324850943850943825024385\r\n", 3492890328409238509324850943850943825024385n],
  ["(-12\r\n", -12n],
  ["=8\r\ntxt:text\r\n", "text"],
  ["%0\r\n", new Map()],
  [
    "%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%1\r\n+c\r\n_\r\n",
    new Map<unknown, unknown>([["a", 1], ["b", new Map([["c", null]])]]),
  ],
  ["~2\r\n+a\r\n#t\r\n", ["a", true]],
  ["|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+x\r\n+y\r\n:1\r\n:2\r\n", [1, 2]],
];

for (const [text, value] of good) {
  Deno.test(`ReplyDecoder.next() reads ${JSON.stringify(text)}`, () => assert.deepEqual(one(text), value));
}

Deno.test("ReplyDecoder.next() counts strings in bytes, not in characters", () => {
  assert.deepEqual(decode(encoder.encode("$13\r\ngrüße, welt\r\n:1\r\n")), ["grüße, welt", 1]);
});

Deno.test("ReplyDecoder.next() gives errors as replies, and within lists as values", () => {
  for (const text of ["-WRONGTYPE not a list\r\n", "!20\r\nWRONGTYPE not a list\r\n"]) {
    const reply = one(text);
    assert.ok(reply instanceof ErrorReply);
    assert.equal(reply.error.code, "WRONGTYPE");
    assert.equal(reply.error.message, "WRONGTYPE not a list");
  }
  const [first, second] = one("*2\r\n-ERR no\r\n:1\r\n") as unknown[];
  assert.ok(first instanceof RedisError);
  assert.equal(first.code, "ERR");
  assert.equal(second, 1);
});

Deno.test("ReplyDecoder.push tells pushes from replies", () => {
  const bytes = encoder.encode(">3\r\n+message\r\n+c\r\n+hi\r\n:1\r\n");
  assert.deepEqual(decode(bytes), [{ push: ["message", "c", "hi"] }, 1]);
});

Deno.test("ReplyDecoder.next() gives strings as bytes when asked, of any size, that no later reply changes", () => {
  const payloads = [3, 100, 1000, 5000, 30_000, 300_000].map((length, index) =>
    new Uint8Array(length).fill(index + 1)
  );
  const stream = payloads.flatMap((
    payload,
  ) => [encoder.encode(`$${payload.length}\r\n`), payload, encoder.encode("\r\n")]);
  const bytes = new Uint8Array(stream.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of stream) {
    bytes.set(part, at);
    at += part.length;
  }
  const replies = decode(bytes, [], true);
  assert.deepEqual(replies, payloads);
});

const wrong = [
  "x",
  "\r\n",
  "$x\r\n",
  "$\r\n",
  "$5x\r\nhello\r\n",
  "$5\r\nhelloxx",
  "$5\nhello",
  "$-2\r\n",
  "$-1x\r\n",
  "$00000000000000000000",
  "$99999999999999999999\r\n",
  ":\r\n",
  ":-\r\n",
  ":1x\r\n",
  ":12345678901234567890\r\n",
  ":1\rx",
  "+a\nb\r\n",
  "+a\rb\r\n",
  "*x\r\n",
  "*-2\r\n",
  "%-1\r\n",
  "~-1\r\n",
  ",x\r\n",
  ",\r\n",
  ",0x1\r\n",
  "(1.5\r\n",
  "#x\r\n",
  "_x\r\n",
  "=3\r\ntxt\r\n",
  "=-1\r\n",
  "=5\r\nabcde\r\n",
  ">0\r\n",
  "|0\r\n",
  "*2\r\n>1\r\n+x\r\n",
  "$?\r\n",
  "*?\r\n",
  ";4\r\n",
  ".\r\n",
  `+${"x".repeat(70_000)}\r\n`,
  `+${"x".repeat(70_000)}`,
  "*1\r\n".repeat(mostDepth + 1),
];

Deno.test("ReplyDecoder.next() throws ReplyError for what can never become a reply, wherever it is cut", () => {
  for (const text of wrong) {
    const bytes = encoder.encode(text);
    assert.throws(() => decode(bytes), ReplyError, JSON.stringify(text.slice(0, 60)));
    const cuts = bytes.length < 100 ? Array.from(bytes, (_, index) => index) : [];
    assert.throws(
      () => decode(bytes, cuts),
      ReplyError,
      `${JSON.stringify(text.slice(0, 60))} in single bytes`,
    );
  }
});

Deno.test("ReplyDecoder.next() refuses a reply above its bound as soon as it is announced", () => {
  const refuses = (text: string, maxBytes: number) =>
    assert.throws(() => decode(encoder.encode(text), [], false, maxBytes), /more than \d+ bytes/, text);
  refuses("$1001\r\n", 1000);
  refuses("*1000\r\n", 1000);
  refuses("%40\r\n", 1000);
  refuses("*4\r\n*30\r\n", 500);
  refuses(`*3\r\n$400\r\n${"x".repeat(400)}\r\n$400\r\n${"x".repeat(400)}\r\n$400\r\n`, 1000);
  refuses("*4294967295\r\n", 64 * mebibyte);
  refuses(`+${"x".repeat(1001)}\r\n`, 1000);
  assert.equal(decode(encoder.encode(`$900\r\n${"x".repeat(900)}\r\n`.repeat(3)), [], false, 1000).length, 3);
  assert.equal(decode(encoder.encode("*10\r\n" + ":1\r\n".repeat(10)).slice(), [], false, 1000).length, 1);
});

Deno.test("ReplyDecoder.room() grows with what came, not with what was announced", () => {
  const decoder = new ReplyDecoder(512 * mebibyte);
  const head = encoder.encode(`$${512 * mebibyte - 100}\r\nabc`);
  decoder.room().set(head);
  decoder.filled(head.length);
  assert.equal(decoder.next(false), unfinished);
  assert.ok(decoder.room().length <= 128 * 1024);
});

// --- properties

type Value = null | boolean | number | bigint | string | Value[] | Map<Value, Value>;

const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.string({ maxLength: 20, unit: "binary" }).map((text) => text.toWellFormed()),
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
);
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(fc.string({ maxLength: 5 }), tie("value")), { maxLength: 3 }).map((pairs) =>
      new Map(pairs)
    ),
  ),
}));

function write(value: Value): string {
  if (value === null) return "_\r\n";
  if (typeof value === "boolean") return value ? "#t\r\n" : "#f\r\n";
  if (typeof value === "number") return `:${value}\r\n`;
  if (typeof value === "string") return `$${encoder.encode(value).length}\r\n${value}\r\n`;
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(write).join("")}`;
  const map = value as Map<Value, Value>;
  return `%${map.size}\r\n${[...map].map(([key, item]) => write(key) + write(item)).join("")}`;
}

Deno.test("ReplyDecoder.next() reads the same whatever the pieces are", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(500)), (values, cuts) => {
      const bytes = encoder.encode(values.map(write).join(""));
      const sorted = cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
      assert.deepEqual(decode(bytes, sorted), values);
      if (bytes.length > 400) return;
      // every position, alone, and all of them
      for (let cut = 0; cut < bytes.length; cut++) assert.deepEqual(decode(bytes, [cut]), values);
      assert.deepEqual(decode(bytes, Array.from(bytes, (_, index) => index)), values);
    }),
    { numRuns: 60 },
  );
});

Deno.test("ReplyDecoder.next() answers anything with replies or a ReplyError", () => {
  const letters = fc.constantFrom(
    ..."+-:$*%~>|,(#_=!0123456789tf\r\n\r\n\r\n".split(""),
    "\r\n",
    "-1",
    "\xff",
  );
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 60 }),
      fc.array(fc.nat(60)),
      fc.boolean(),
      (parts, cuts, asBytes) => {
        const bytes = encoder.encode(parts.join(""));
        const sorted = cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
        const run = (cuts: number[]) => {
          try {
            return decode(bytes, cuts, asBytes, 4096);
          } catch (error) {
            assert.ok(error instanceof ReplyError, String(error));
            return "refused";
          }
        };
        assert.deepEqual(run(sorted), run([]));
      },
    ),
    { numRuns: 3000 },
  );
});
