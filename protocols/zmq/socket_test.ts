/** What must hold whatever the collector, signals and other sockets do. */
import assert from "node:assert/strict";
import { Session } from "node:inspector";
import { joinContext } from "./context.ts";
import { Errno, openFirst } from "./library.ts";
import { Received } from "./receive_memory.ts";
import { ZmqSocket } from "./socket.ts";

const encoder = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
let endpoints = 0;

/** A PUSH and a PULL of this process that are connected. */
async function pair() {
  const context = await joinContext();
  const endpoint = `inproc://test-${++endpoints}`;
  const [pull, push] = [new ZmqSocket(context, "pull"), new ZmqSocket(context, "push")];
  for (const socket of [pull, push]) socket.set("linger", 0);
  assert.equal(pull.bind(endpoint), true);
  push.connect(endpoint);
  return {
    context,
    pull,
    push,
    async [Symbol.asyncDispose]() {
      push.close();
      pull.close();
      await context.leave();
    },
  };
}

Deno.test("ReceiveMemory.receive() tells parts apart however often memory is moved", async () => {
  await using both = await pair();
  const { context: { receiveMemory: memory }, pull, push } = both;
  let kept: unknown[] = [];
  for (let n = 0; n < 5000; n++) {
    const parts = Array.from({ length: 1 + n % 5 }, (_, i) => encoder.encode(`${n}:${i}`));
    assert.equal(push.send(parts), "sent");
    let count = 0;
    while ((count = pull.receive()) === 0);
    assert.deepEqual(
      Array.from({ length: count }, (_, i) => text(memory.copy(i))),
      Array.from({ length: 1 + n % 5 }, (_, i) => `${n}:${i}`),
    );
    // Keeps the collector of young objects at work.
    kept.push(new Array(1000).fill(n));
    if (kept.length > 100) kept = [];
  }
});

Deno.test("ReceiveMemory.receive() says that there is nothing only where that is so, signals or not", async () => {
  await using both = await pair();
  const { context: { calls }, pull } = both;
  const session = new Session();
  session.connect();
  const post = (method: string, params?: object) =>
    new Promise<void>((resolve, reject) =>
      session.post(
        method as never,
        params as never,
        (error: Error | null) => error ? reject(error) : resolve(),
      )
    );
  await post("Profiler.enable");
  // A profiler sends a signal for every sample, and whoever is in a system call then comes back with EINTR.
  await post("Profiler.setSamplingInterval", { interval: 50 });
  await post("Profiler.start");
  const wrong = new Set<number>();
  for (let n = 0; n < 1_000_000; n++) {
    assert.equal(pull.receive(), Received.nothing);
    const code = calls.zmq_errno();
    if (code !== Errno.again) wrong.add(code);
  }
  await post("Profiler.stop");
  session.disconnect();
  assert.deepEqual([...wrong], []);
});

Deno.test("ZmqSocket.send() sends small and large parts, and says when a queue is full", async () => {
  await using both = await pair();
  const { context: { receiveMemory: memory }, pull, push } = both;
  memory.reserve(300_000);
  const parts = [0, 1, 8191, 8192, 100_000, 60_000].map((size) => new Uint8Array(size).map((_, i) => i * 7));
  assert.equal(push.send(parts), "sent");
  let count = 0;
  while ((count = pull.receive()) === 0);
  assert.deepEqual(Array.from({ length: count }, (_, i) => memory.copy(i)), parts);
  let sent = 0;
  while (push.send([encoder.encode("x")]) === "sent") assert.ok(++sent < 100_000);
  assert.equal(push.send([encoder.encode("x")]), "full");
});

Deno.test("openFirst() says what to install where no library can be loaded", () => {
  assert.throws(
    () => openFirst(["/nowhere/libzmq.so.5"], ["npm package zeromq: offline"]),
    (error: Error) => {
      assert.match(error.message, /^Cannot load libzmq 4\.3 or newer, which protocol zmq needs/);
      for (
        const part of [
          "deno cache npm:zeromq",
          "apt install libzmq5",
          "npm package zeromq: offline",
          "/nowhere/",
        ]
      ) {
        assert.ok(error.message.includes(part), part);
      }
      return true;
    },
  );
});

Deno.test("openFirst() takes the system's library as well as the package's", () => {
  // Installed with Python's zmq, which the tests of this folder need anyway.
  assert.match(openFirst(["/nowhere/libzmq.so.5", "libzmq.so.5"]).version, /^4\.3\./);
});
