import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import { Phase } from "../../core/protocol.ts";
import { framesPerTurn, highWaterBytes } from "./exchange.ts";
import { type FramesPlan } from "./protocol.ts";
import { serverOf, settled, TestHost } from "./testdata/test_host.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (written: string) => new TextEncoder().encode(written);
const lines = { delimiter: "\n", max: 1024 } as FramesPlan["framing"];
const prefixed = {
  lengthPrefix: { bytes: 4, endian: "big", includesItself: false },
  max: 1 << 20,
} as FramesPlan["framing"];
const echo = (frame: Uint8Array) => frame;

/** A handler whose every call waits until the test answers it. */
function held() {
  const calls = new Map<string, (reply: Uint8Array | Error) => void>();
  const handler = (frame: Uint8Array) => {
    const name = text(frame);
    return new Promise<Uint8Array>((resolve, reject) =>
      calls.set(name, (reply) => reply instanceof Error ? reject(reply) : resolve(reply))
    );
  };
  const answer = (name: string, reply: string | Error = name.toUpperCase()) => {
    calls.get(name)!(typeof reply === "string" ? bytes(reply) : reply);
    calls.delete(name);
  };
  return { handler, answer, calls };
}

async function start(plan: Partial<FramesPlan>, handler: unknown) {
  const host = new TestHost({ framing: lines, ...plan }, handler);
  const server = await serverOf(host);
  return { host, ...server.open(), open: server.open };
}

Deno.test("exchange() answers every frame of a read in one write when the handler is synchronous", async () => {
  const { stream, connection } = await start({}, echo);
  stream.feed("one\ntwo\n\nthr");
  await settled();
  assert.deepEqual(stream.writes.map(text), ["one\ntwo\n\n"]);
  stream.feed("ee\n", null);
  assert.equal(await connection.ended, "client_closed");
  assert.equal(stream.text, "one\ntwo\n\nthree\n");
  assert.equal(connection.requests, 4);
});

Deno.test("exchange() writes the replies of one turn at once when the handler is asynchronous", async () => {
  const { stream } = await start({}, async (frame: Uint8Array) => {
    await null;
    return frame;
  });
  stream.feed("a\nb\nc\nd\n");
  await settled();
  assert.deepEqual(stream.writes.map(text), ["a\nb\nc\nd\n"]);
});

Deno.test("exchange() sends replies in request order when handlers finish in any order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.uniqueArray(fc.nat(99), { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      async (pipeline, names, choices) => {
        const { handler, answer, calls } = held();
        const { stream, connection, host } = await start({ pipeline }, handler);
        stream.feed(names.map((name) => `${name}\n`).join(""), null);
        for (const choice of choices) {
          for (let turn = 0; turn < 40; turn++) await null;
          if (calls.size === 0) break;
          assert(calls.size <= pipeline);
          const waiting = [...calls.keys()];
          answer(waiting[choice % waiting.length], `${waiting[choice % waiting.length]}!`);
        }
        assert.equal(await connection.ended, "client_closed");
        assert.equal(stream.text, names.map((name) => `${name}!\n`).join(""));
        assert.deepEqual(host.errors, []);
        assert.deepEqual(connection.ends, ["client_closed"]);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("exchange() gives the handler later frames while an earlier one is not answered", async () => {
  const { handler, answer, calls } = held();
  const { stream } = await start({}, handler);
  stream.feed("a\nb\n");
  await settled();
  assert.deepEqual([...calls.keys()], ["a", "b"]);
  answer("b");
  await settled();
  assert.equal(stream.text, "");
  answer("a");
  await settled();
  assert.deepEqual(stream.writes.map(text), ["A\nB\n"]);
});

Deno.test("exchange() stops reading when as many frames are with the handler as may", async () => {
  const { handler, answer, calls } = held();
  const { stream } = await start({ pipeline: 2 }, handler);
  stream.feed("a\nb\nc\nd\n");
  await settled();
  stream.feed("e\n".repeat(1000));
  await settled();
  assert.deepEqual([...calls.keys()], ["a", "b"]);
  assert.equal(stream.reads, 1);
  answer("b");
  await settled();
  assert.deepEqual([...calls.keys()], ["a"], "the reply to b still waits, and counts");
  answer("a");
  await settled();
  assert.deepEqual([...calls.keys()], ["c", "d"]);
});

Deno.test("exchange() stops reading, with bounded memory, when the peer does not read its replies", async () => {
  let served = 0;
  const reply = new Uint8Array(1000);
  const { stream, connection } = await start({ framing: prefixed }, () => {
    served++;
    return reply;
  });
  stream.reading = false;
  stream.feed(new Uint8Array(400_000));
  await settled();
  assert(served * 1004 < highWaterBytes + 2000, String(served));
  assert(stream.unread > 200_000);
  assert.equal(connection.phases.at(-1), Phase.idle);
  const before = served;
  await settled();
  assert.equal(served, before);
  stream.reading = true;
  stream.feed(null);
  assert.equal(await connection.ended, "client_closed");
  assert.equal(served, 100_000);
  assert.equal(stream.writes.reduce((sum, one) => sum + one.length, 0), 100_000 * 1004);
});

Deno.test("exchange() lets the loop turn when one connection has very many frames", async () => {
  let served = 0;
  const { stream } = await start({}, (frame: Uint8Array) => {
    served++;
    return frame;
  });
  stream.feed("\n".repeat(4000));
  for (let before = 0; served < 4000; before = served) {
    await new Promise((resolve) => setImmediate(resolve));
    assert(served - before <= framesPerTurn, String(served - before));
  }
});

Deno.test("exchange() keeps the frame as it is until its handler's promise settles", async () => {
  const seen: string[] = [];
  let release!: () => void;
  const gate = new Promise<void>((resolve) => release = resolve);
  const { stream, connection } = await start({}, async (frame: Uint8Array) => {
    await gate;
    seen.push(text(frame));
    return frame;
  });
  const names = Array.from({ length: 60 }, (_, index) => `${index}:`.padEnd(200, "x"));
  for (const name of names) {
    stream.feed(`${name}\n`);
    await null;
  }
  await settled();
  release();
  stream.feed(null);
  await connection.ended;
  assert.deepEqual(seen, names);
  assert.equal(stream.text, names.join("\n") + "\n");
});

Deno.test("exchange() sends an empty frame for a handler that returns nothing", async () => {
  const { stream } = await start({ framing: { netstring: {}, max: 99 } as FramesPlan["framing"] }, () => {});
  stream.feed("1:a,1:b,");
  await settled();
  assert.equal(stream.text, "0:,0:,");
});

Deno.test("exchange() writes long replies whole and in order", async () => {
  const long = new Uint8Array(300_000).fill(7);
  const { stream, connection } = await start({ framing: prefixed }, (frame: Uint8Array) => {
    return frame[0] === 1 ? long : frame;
  });
  stream.writeBytes = 10_000;
  stream.feed(new Uint8Array([0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 5, 6]), null);
  await connection.ended;
  const expected = [0, 0, 0, 1, 0, 0, 4, 147, 224, ...long, 0, 0, 0, 2, 5, 6];
  assert.deepEqual(stream.output, new Uint8Array(expected));
});

Deno.test("exchange() echoes frames longer than its memory", async () => {
  const { stream, connection } = await start({ framing: prefixed }, (frame: Uint8Array) => frame);
  const parts: Uint8Array[] = [];
  for (const [index, length] of [70_000, 3, 1 << 20, 20_000, 0, 1 << 20].entries()) {
    const message = new Uint8Array(4 + length).fill(index + 1);
    new DataView(message.buffer).setUint32(0, length);
    parts.push(message);
  }
  stream.feed(...parts, null);
  assert.equal(await connection.ended, "client_closed");
  assert.deepEqual(Buffer.concat(stream.writes), Buffer.concat(parts));
});

// ---- ends

Deno.test("exchange() delivers the answers in flight when the peer has closed its side", async () => {
  const { handler, answer } = held();
  const { stream, connection } = await start({}, handler);
  stream.feed("a\nb\n", null);
  await settled();
  assert.deepEqual(connection.ends, []);
  answer("b");
  answer("a");
  assert.equal(await connection.ended, "client_closed");
  assert.equal(stream.text, "A\nB\n");
});

Deno.test("exchange() reports a frame that the peer broke off, after the answers before it", async () => {
  const { handler, answer } = held();
  const { stream, connection, host } = await start({}, handler);
  stream.feed("a\nhal", null);
  await settled();
  answer("a");
  assert.equal(await connection.ended, "protocol_error");
  assert.equal(stream.text, "A\n");
  assert.match(host.refusals[0].text, /ended 3 bytes into a frame \(byte 5 of the connection\)/);
});

Deno.test("exchange() answers what is in flight and ends with drain when it is asked to finish", async () => {
  const { handler, answer } = held();
  const { stream, connection } = await start({ pipeline: 2 }, handler);
  stream.feed("a\nb\nc\n");
  await settled();
  connection.closing = true;
  connection.finish();
  answer("a");
  answer("b");
  await settled();
  assert.deepEqual(connection.ends, [], "c was received before the drain");
  answer("c");
  assert.equal(await connection.ended, "drain");
  assert.equal(stream.text, "A\nB\nC\n");
  assert(stream.closed);
});

Deno.test("exchange() loses no reply that is not written yet when it is asked to finish", async () => {
  const { stream, connection } = await start({}, echo);
  stream.reading = false;
  stream.feed("a\nb\n");
  await settled();
  connection.finish();
  await settled();
  assert.deepEqual(connection.ends, []);
  stream.reading = true;
  assert.equal(await connection.ended, "drain");
  assert.equal(stream.text, "a\nb\n");
});

Deno.test("exchange() ends at once when an idle connection is asked to finish", async () => {
  for (const before of ["", "a\n"]) {
    const { stream, connection } = await start({}, echo);
    stream.feed(before);
    await settled();
    connection.finish();
    assert.deepEqual(connection.ends, ["drain"]);
  }
});

Deno.test("exchange() ends after the next answer when the connection is closing", async () => {
  const { stream, connection } = await start({}, echo);
  connection.closing = true;
  stream.feed("a");
  await settled();
  assert.deepEqual(connection.ends, []);
  stream.feed("\n");
  assert.equal(await connection.ended, "drain");
  assert.equal(stream.text, "a\n");
});

Deno.test("exchange() closes its side first when the peer still sends while it drains", async () => {
  const { handler, answer } = held();
  const { stream, connection } = await start({}, handler);
  stream.feed("a\n");
  await settled();
  connection.finish();
  stream.feed("too late\n");
  await settled();
  answer("a");
  await settled();
  assert.equal(stream.text, "A\n");
  assert(stream.writeClosed);
  assert.deepEqual(connection.ends, []);
  stream.feed("still sending", null);
  assert.equal(await connection.ended, "drain");
});

Deno.test("exchange() closes its side first when more has come than it read before it drains", async () => {
  const { stream, connection } = await start({}, echo);
  stream.feed("a\n");
  await settled();
  connection.closing = true;
  stream.feed("b\n", "c\n");
  await settled();
  assert.equal(stream.text, "a\nb\n");
  assert(stream.writeClosed);
  assert.deepEqual(connection.ends, []);
  stream.feed(null);
  assert.equal(await connection.ended, "drain");
});

Deno.test("exchange() says that the peer did not read when a limit ends it with replies unsent", async () => {
  const { stream, connection } = await start({}, echo);
  stream.reading = false;
  stream.feed("a\n");
  await settled();
  connection.kill("idle_timeout");
  assert.deepEqual(connection.ends, ["write_timeout"]);
});

Deno.test("exchange() drops a bounded number of bytes when a closed peer goes on sending", async () => {
  const { stream, connection } = await start(
    { framing: { netstring: {}, max: 9 } as FramesPlan["framing"] },
    echo,
  );
  stream.feed("1:a,99:");
  await settled();
  stream.feed(new Uint8Array(4 << 20));
  assert.equal(await connection.ended, "body_too_large");
  assert(stream.unread > 2 << 20);
});

Deno.test("exchange() ends at once and only once when it is killed", async () => {
  const { handler, answer } = held();
  const { stream, connection } = await start({}, handler);
  stream.feed("a\n");
  await settled();
  connection.kill("idle_timeout");
  assert.deepEqual(connection.ends, ["idle_timeout"]);
  answer("a");
  await settled();
  connection.kill("drain");
  connection.finish();
  await settled();
  assert.deepEqual(connection.ends, ["idle_timeout"]);
  assert.equal(stream.text, "");
});

Deno.test("exchange() ends with client_reset when the peer cannot be written to", async () => {
  const { stream, connection } = await start({}, echo);
  stream.write = () => Promise.reject(new Deno.errors.BrokenPipe("gone"));
  stream.feed("a\n");
  assert.equal(await connection.ended, "client_reset");
});

// ---- refusals

Deno.test("exchange() answers what came before and closes when a frame is refused", async () => {
  const { handler, answer } = held();
  const { stream, connection, host } = await start({}, handler);
  host.admit = (frame) => text(frame) === "no" ? "queue_full" : undefined;
  stream.feed("a\nno\nb\n");
  await settled();
  assert.deepEqual(connection.ends, []);
  answer("a");
  assert.equal(await connection.ended, "queue_full");
  assert.equal(stream.text, "A\n");
});

Deno.test("exchange() sends the declared frame in place of a refused reply", async () => {
  const { handler, answer } = held();
  const { stream, connection, host } = await start({ refuse: "BUSY" }, handler);
  host.admit = (frame) => text(frame) === "no" ? "queue_full" : undefined;
  stream.feed("no\na\nno\nb\n");
  await settled();
  assert.equal(stream.text, "BUSY\n");
  answer("b", new Error("broken"));
  answer("a");
  await settled();
  assert.equal(stream.text, "BUSY\nA\nBUSY\nBUSY\n");
  assert.deepEqual(host.errors, ["broken"]);
  assert.deepEqual(connection.ends, []);
});

Deno.test("exchange() refuses a frame that is too long, in its order, and closes", async () => {
  const { handler, answer } = held();
  const { stream, connection, host } = await start(
    { refuse: "NO", framing: { netstring: {}, max: 9 } as FramesPlan["framing"] },
    handler,
  );
  stream.feed("1:a,10:");
  await settled();
  assert.equal(host.refusals[0].reason, "body_too_large");
  assert.equal(stream.text, "");
  answer("a");
  await settled();
  assert.equal(stream.text, "1:A,2:NO,");
  assert(stream.writeClosed);
  stream.feed(null);
  assert.equal(await connection.ended, "body_too_large");
});

Deno.test("exchange() closes at once when the first bytes are no frame", async () => {
  const { stream, connection, host } = await start({
    framing: { netstring: {}, max: 9 } as FramesPlan["framing"],
  }, echo);
  stream.feed("GET / HTTP/1.1\r\n");
  assert.equal(await connection.ended, "protocol_error");
  assert.match(host.refusals[0].text, /"G" in place of a length \(byte 0 of the connection\)/);
});

Deno.test("exchange() refuses replies that the framing cannot carry", async () => {
  const replies: Record<string, unknown> = {
    lines: bytes("a\nb"),
    text: "text",
    many: (async function* () {})(),
  };
  const { stream, host } = await start({ refuse: "BAD" }, (frame: Uint8Array) => replies[text(frame)]);
  stream.feed("lines\ntext\nmany\n");
  await settled();
  assert.equal(stream.text, "BAD\nBAD\nBAD\n");
  assert.match(host.errors[0], /contains the delimiter, at byte 1/);
  assert.match(host.errors[1], /returned a string; a reply is a Uint8Array/);
  assert.match(host.errors[2], /an async iterable.*need "pattern: stream"/);
});

// ---- oneWay

Deno.test("exchange() sends nothing when the pattern is oneWay", async () => {
  const seen: string[] = [];
  const { stream, connection } = await start({ pattern: "oneWay" }, (frame: Uint8Array) => {
    seen.push(text(frame));
    return frame;
  });
  stream.feed("a\nb\n", null);
  assert.equal(await connection.ended, "client_closed");
  assert.deepEqual(seen, ["a", "b"]);
  assert.equal(stream.writes.length, 0);
});

Deno.test("exchange() has no more than the bound in flight, in any order, when the pattern is oneWay", async () => {
  const { handler, answer, calls } = held();
  const { stream, connection } = await start({ pattern: "oneWay", pipeline: 2 }, handler);
  stream.feed("a\nb\nc\n", null);
  await settled();
  assert.deepEqual([...calls.keys()], ["a", "b"]);
  answer("b");
  await settled();
  assert.deepEqual([...calls.keys()], ["a", "c"]);
  answer("c");
  answer("a");
  assert.equal(await connection.ended, "client_closed");
});

Deno.test("exchange() lets frames in flight finish when a later oneWay frame is refused", async () => {
  const { handler, answer } = held();
  const { stream, connection, host } = await start({ pattern: "oneWay" }, handler);
  host.admit = (frame) => text(frame) === "no" ? "rate_limited" : undefined;
  stream.feed("a\nno\n");
  await settled();
  assert.deepEqual(connection.ends, []);
  answer("a");
  assert.equal(await connection.ended, "rate_limited");
});

// ---- stream

Deno.test("exchange() sends every item as a frame when the pattern is stream", async () => {
  const { stream, connection } = await start({ pattern: "stream" }, (frame: Uint8Array) => {
    const name = text(frame);
    if (name === "none") return;
    if (name === "one") return bytes("just one");
    return (async function* () {
      for (let index = 0; index < 3; index++) yield bytes(`${name}${index}`);
    })();
  });
  stream.feed("a\nnone\none\nb\n", null);
  assert.equal(await connection.ended, "client_closed");
  assert.equal(stream.text, "a0\na1\na2\njust one\nb0\nb1\nb2\n");
});

Deno.test("exchange() starts the handler at once, and reads its stream in its turn", async () => {
  const calls: string[] = [];
  let release!: () => void;
  const gate = new Promise<void>((resolve) => release = resolve);
  const { stream } = await start({ pattern: "stream" }, (frame: Uint8Array) => {
    const name = text(frame);
    calls.push(name);
    return (async function* () {
      calls.push(`${name} read`);
      yield bytes(name);
      if (name === "a") await gate;
      yield bytes(`${name} end`);
    })();
  });
  stream.feed("a\nb\n");
  await settled();
  assert.deepEqual(calls, ["a", "b", "a read"]);
  assert.equal(stream.text, "a\n");
  release();
  await settled();
  assert.equal(stream.text, "a\na end\nb\nb end\n");
});

Deno.test("exchange() asks a stream for no more than the peer reads", async () => {
  let made = 0;
  let returned = false;
  const { stream, connection } = await start({ pattern: "stream", framing: prefixed }, async function* () {
    try {
      for (;;) {
        made++;
        yield new Uint8Array(1000);
      }
    } finally {
      returned = true;
    }
  });
  stream.reading = false;
  stream.feed(new Uint8Array(4));
  await settled();
  const before = made;
  assert(before * 1004 < highWaterBytes + 2000, String(before));
  await settled();
  assert.equal(made, before);
  assert.equal(connection.phases.at(-1), Phase.stream);
  connection.kill("age_reached");
  await settled();
  assert(returned);
  assert(made <= before + 1);
});

Deno.test("exchange() asks for the next item only when a long one is written", async () => {
  const item = new Uint8Array(50_000);
  const { stream, connection } = await start({ pattern: "stream", framing: prefixed }, async function* () {
    for (let index = 1; index <= 5; index++) yield item.fill(index);
  });
  stream.feed(new Uint8Array(4), null);
  await connection.ended;
  const output = Buffer.concat(stream.writes);
  for (let index = 0; index < 5; index++) {
    const part = output.subarray(index * 50_004 + 4, (index + 1) * 50_004);
    assert(part.every((byte) => byte === index + 1));
  }
});

Deno.test("exchange() ends a stream with the refusal when it fails on its way", async () => {
  const { stream, host } = await start(
    { pattern: "stream", refuse: "ERR" },
    async function* (frame: Uint8Array) {
      yield frame;
      throw new Error("no more");
    },
  );
  stream.feed("a\nb\n");
  await settled();
  assert.equal(stream.text, "a\nERR\nb\nERR\n");
  assert.deepEqual(host.errors, ["no more", "no more"]);
});

// ---- phases

Deno.test("exchange() tells the phases, and each only when it is news", async () => {
  const { handler, answer } = held();
  const { stream, connection } = await start({}, handler);
  const phases = () => connection.phases.splice(0);
  stream.feed("a");
  await settled();
  assert.deepEqual(phases(), [Phase.head]);
  stream.feed("b");
  await settled();
  assert.deepEqual(phases(), [], "a slow frame does not gain time");
  stream.feed("c\nd\n");
  await settled();
  assert.deepEqual(phases(), [Phase.serving]);
  answer("abc");
  await settled();
  assert.deepEqual(phases(), []);
  answer("d");
  await settled();
  assert.deepEqual(phases(), [Phase.idle]);
  stream.feed("e\nf");
  await settled();
  answer("e");
  await settled();
  assert.deepEqual(phases(), [Phase.serving, Phase.head]);
  stream.feed("\n");
  await settled();
  answer("f");
  await settled();
  assert.deepEqual(phases(), [Phase.serving, Phase.idle]);
});

Deno.test("exchange() restarts the idle limit with every read, and that of a frame every 64 KiB", async () => {
  const { stream, connection } = await start({ framing: prefixed }, echo);
  stream.feed(new Uint8Array(4));
  await settled();
  stream.feed(new Uint8Array(4));
  await settled();
  assert.deepEqual(connection.phases.splice(0), [Phase.idle, Phase.idle]);
  stream.feed(new Uint8Array([0, 3, 0, 0]));
  for (let piece = 0; piece < 16; piece++) {
    stream.feed(new Uint8Array(10_000));
    await settled();
  }
  assert.deepEqual(connection.phases, [Phase.head, Phase.head, Phase.head]);
});
