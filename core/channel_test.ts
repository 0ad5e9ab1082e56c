import assert from "node:assert/strict";
import fc from "fast-check";
import { Channel, type ChannelMessage, type ChannelOptions } from "./channel.ts";

/** Two ends of a TCP connection. */
async function pair(): Promise<[Deno.Conn, Deno.Conn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return await Promise.all([Deno.connect({ hostname: "127.0.0.1", port }), listener.accept()]);
}

interface End {
  channel: Channel;
  received: ChannelMessage[];
  closed: Promise<unknown>;
}

function open(conn: Deno.Conn, options: Partial<ChannelOptions> = {}): End {
  const received: ChannelMessage[] = [];
  const closed = Promise.withResolvers<unknown>();
  const channel = new Channel(conn, {
    onMessage: (message) => void received.push(message),
    onClose: closed.resolve,
    ...options,
  });
  return { channel, received, closed: closed.promise };
}

Deno.test("Channel.send() delivers messages in order, whatever they hold", async () => {
  const [a, b] = await pair();
  const all = Promise.withResolvers<void>();
  const texts = ["", "line\nfeed", "\u2028 ü 🦕", "x".repeat(200_000), '"\\'];
  const received: unknown[] = [];
  const left = open(a);
  const right = open(b, {
    onMessage: ({ text }) => {
      received.push(text);
      if (received.length === texts.length) all.resolve();
    },
  });
  for (const text of texts) left.channel.send({ type: "text", text });
  await all.promise;
  assert.deepEqual(received, texts);
  left.channel.close();
  assert.equal(await right.closed, undefined);
});

Deno.test("Channel reads messages however the bytes are cut", async () => {
  const message = JSON.stringify({ type: "text", text: "grün 🦕" });
  const bytes = new TextEncoder().encode(`${message}\n${message}\n`);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 6 }), async (cuts) => {
      const places = [0, ...cuts.sort((x, y) => x - y), bytes.length];
      const parts = places.slice(1).map((end, index) => bytes.slice(places[index], end));
      const conn = {
        read(into: Uint8Array): Promise<number | null> {
          const part = parts.shift();
          if (part === undefined) return Promise.resolve(null);
          into.set(part);
          return Promise.resolve(part.length);
        },
        close() {},
      };
      const { received, closed } = open(conn as unknown as Deno.Conn);
      await closed;
      assert.deepEqual(received, [JSON.parse(message), JSON.parse(message)]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("Channel.request() resolves with the answer to this very request", async () => {
  const [a, b] = await pair();
  const left = open(a);
  const late = Promise.withResolvers<string>();
  const right = open(b, {
    onMessage: ({ type }) =>
      type === "slow" ? late.promise : type === "fail" ? Promise.reject(new Error("no such thing")) : type,
  });
  const slow = left.channel.request({ type: "slow" }, 5000);
  assert.equal(await left.channel.request({ type: "fast" }, 5000), "fast");
  await assert.rejects(left.channel.request({ type: "fail" }, 5000), /^Error: no such thing$/);
  late.resolve("slow at last");
  assert.equal(await slow, "slow at last");
  left.channel.close();
  await right.closed;
});

Deno.test("Channel.request() answers with the error that the handler throws synchronously", async () => {
  const [a, b] = await pair();
  const left = open(a);
  open(b, {
    onMessage: () => {
      throw new TypeError("wrong");
    },
  });
  await assert.rejects(left.channel.request({ type: "x" }, 5000), /^Error: wrong$/);
  left.channel.close();
});

Deno.test("Channel.request() rejects when no answer comes in time, and ignores it when it comes later", async () => {
  const [a, b] = await pair();
  const answer = Promise.withResolvers<string>();
  const left = open(a);
  open(b, { onMessage: ({ type }) => type === "slow" ? answer.promise : "ok" });
  await assert.rejects(left.channel.request({ type: "slow" }, 20), /No answer to slow within 20 ms/);
  answer.resolve("too late");
  assert.equal(await left.channel.request({ type: "next" }, 5000), "ok");
  left.channel.close();
});

Deno.test("Channel.request() rejects when the other side goes away, and afterwards at once", async () => {
  const [a, b] = await pair();
  const left = open(a);
  const right = open(b, { onMessage: () => new Promise(() => {}) });
  const waiting = left.channel.request({ type: "x" }, 5000);
  right.channel.close();
  await assert.rejects(waiting, /The channel was closed/);
  await assert.rejects(left.channel.request({ type: "y" }, 5000), /Cannot send y: the channel is closed/);
  assert.equal(left.channel.closed, true);
  await left.channel.send({ type: "z" });
});

Deno.test("Channel.request() refuses more unanswered requests than allowed", async () => {
  const [a, b] = await pair();
  const left = open(a, { maxPending: 2 });
  open(b, { onMessage: () => new Promise(() => {}) });
  const waiting = [1, 2].map(() => left.channel.request({ type: "x" }, 5000));
  await assert.rejects(left.channel.request({ type: "x" }, 5000), /too many requests wait for an answer/);
  left.channel.close();
  for (const each of waiting) await assert.rejects(each);
});

Deno.test("Channel ends with a RangeError when a line is longer than the limit", async () => {
  const [a, b] = await pair();
  const right = open(b, { maxBytes: 1000 });
  await a.write(new TextEncoder().encode("x".repeat(70_000)));
  assert.ok(await right.closed instanceof RangeError);
  assert.deepEqual(right.received, []);
  a.close();
});

Deno.test("Channel ends when asked to send more than the limit", async () => {
  const [a, b] = await pair();
  const left = open(a, { maxBytes: 1000 });
  await left.channel.send({ type: "x", text: "y".repeat(1000) });
  assert.match(String(await left.closed), /RangeError: Cannot send x: \d+ bytes are more than 1000/);
  b.close();
});

Deno.test("Channel ends when a line is no JSON, and when a message without request is handled badly", async () => {
  for (const line of ["no json\n", '{"type":"x"}\n']) {
    const [a, b] = await pair();
    const right = open(b, { onMessage: () => Promise.reject(new Error("handled badly")) });
    await a.write(new TextEncoder().encode(line));
    assert.ok(await right.closed instanceof Error);
    a.close();
  }
});
