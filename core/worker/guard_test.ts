import assert from "node:assert/strict";
import fc from "fast-check";
import { Phase, type PhaseValue } from "../protocol.ts";
import type { Reason } from "../reasons.ts";
import { standStill } from "./testdata/stand_still.ts";

const periodMs = 50;

/** Sweeps for `ms` and returns when the connection was killed, ms from now; undefined when it was not. */
function killedAfter(
  kernel: ReturnType<typeof standStill>,
  killed: string[],
  ms: number,
  each?: (ms: number) => void,
) {
  for (let at = 0; at < ms; at += periodMs) {
    kernel.clock.pass(periodMs);
    each?.(at + periodMs);
    kernel.guard.sweep();
    if (killed.length > 0) return at + periodMs;
  }
  return undefined;
}

for (
  const [name, phase, limitMs, reason] of [
    ["silent", Phase.first, 10_000, "first_byte_timeout"],
    ["in a head", Phase.head, 10_000, "head_timeout"],
    ["idle", Phase.idle, 75_000, "idle_timeout"],
  ] as Array<[string, PhaseValue, number, Reason]>
) {
  Deno.test(`Guard ends a connection that is ${name} for too long`, () => {
    const kernel = standStill();
    const { connection, killed } = kernel.open();
    connection!.enter(phase);
    const after = killedAfter(kernel, killed!, 100_000)!;
    assert.deepEqual(killed, [reason]);
    assert.ok(after >= limitMs && after <= limitMs * 1.01 + periodMs, `${after} ms`);
    assert.equal(kernel.guard.connections.size, 0);
    assert.equal(kernel.total("weir_connections_closed_total", { reason }), 1);
  });
}

Deno.test("Guard looks at many connections in several turns of the loop, and at all of them", async () => {
  const kernel = standStill({ accept: { connections: 1000 } });
  const opened = Array.from({ length: 250 }, () => kernel.open());
  for (const { connection } of opened) connection!.enter(Phase.first);
  kernel.clock.pass(11_000);
  kernel.guard.sweep();
  const ended = () => opened.filter(({ killed }) => killed!.length > 0).length;
  assert.equal(ended(), 100);
  // A sweep that is not through yet goes on; another one is not begun.
  kernel.guard.sweep();
  assert.equal(ended(), 100);
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ended(), 250);
  for (const { killed } of opened) assert.deepEqual(killed, ["first_byte_timeout"]);
});

Deno.test("Guard sees a head that drips behind the protocol's back, on a fresh and on an idle connection", () => {
  for (const phase of [Phase.first, Phase.idle]) {
    const kernel = standStill();
    const { connection, socket, killed } = kernel.open();
    connection!.enter(phase);
    socket.bytesRead = phase === Phase.idle ? 500 : 0;
    const after = killedAfter(kernel, killed!, 60_000, (ms) => {
      if (ms > 2000) socket.bytesRead++;
    })!;
    assert.deepEqual(killed, ["head_timeout"]);
    assert.ok(after >= 11_000 && after <= 13_000, `${after} ms`);
  }
});

Deno.test("Guard does not guess where the protocol reads itself", () => {
  const kernel = standStill();
  const { connection, socket, killed } = kernel.open();
  connection!.opaque = false;
  connection!.enter(Phase.idle);
  // A peer that sends much while the protocol makes it wait: no head, and no flood.
  const after = killedAfter(kernel, killed!, 100_000, () => void (socket.bytesRead += 1_000_000));
  assert.deepEqual([killed, Math.round(after! / 1000)], [["idle_timeout"], 75]);
});

Deno.test("Guard ends a peer that floods where no request is", () => {
  const kernel = standStill();
  const { connection, socket, killed } = kernel.open();
  connection!.enter(Phase.idle);
  killedAfter(kernel, killed!, 20_000, () => void (socket.bytesRead += 1_000_000));
  assert.deepEqual(killed, ["protocol_error"]);
});

Deno.test("Guard ends a body that trickles, and leaves one alone that is complete or has stalled", () => {
  const trickle = standStill();
  const slow = trickle.open();
  slow.connection!.enter(Phase.body);
  const after = killedAfter(trickle, slow.killed!, 60_000, () => void slow.socket.bytesRead++)!;
  assert.deepEqual(slow.killed, ["body_timeout"]);
  assert.ok(after >= 30_000 && after < 31_000);
  const complete = standStill();
  const done = complete.open();
  done.connection!.enter(Phase.body);
  assert.equal(killedAfter(complete, done.killed!, 120_000), undefined);
});

for (const phase of [Phase.idle, Phase.serving, Phase.stream] as PhaseValue[]) {
  Deno.test(`Guard ends a peer that reads nothing of its answer, and not a slow one (phase ${phase})`, () => {
    const kernel = standStill();
    const { connection, socket, killed } = kernel.open();
    connection!.enter(phase);
    socket.bytesWritten = 10_000_000;
    socket.writableLength = 9_000_000;
    const reads = (ms: number) => {
      // One byte a minute for five minutes, then nothing.
      if (ms <= 300_000 && ms % 60_000 === 0) socket.writableLength--;
    };
    const after = killedAfter(kernel, killed!, 600_000, reads)!;
    assert.deepEqual(killed, ["write_timeout"]);
    assert.ok(after >= 375_000 && after <= 380_000, `${after} ms`);
  });
}

Deno.test("Guard lets a last answer go out before it ends the connection", () => {
  const kernel = standStill();
  const { connection, socket, killed } = kernel.open();
  connection!.enter(Phase.idle);
  connection!.closing = true;
  socket.bytesWritten = 1_000_000;
  socket.writableLength = 1000;
  const after = killedAfter(kernel, killed!, 60_000, (ms) => {
    if (ms <= 20_000) socket.writableLength = Math.max(0, 1000 - ms / 20);
  })!;
  assert.deepEqual(killed, ["age_reached"]);
  assert.ok(after > 19_000 && after < 23_000, `${after} ms`);
});

Deno.test("Guard leaves handlers and streams alone as long as nothing is stuck", () => {
  for (const phase of [Phase.serving, Phase.stream] as PhaseValue[]) {
    const kernel = standStill();
    const { connection, killed } = kernel.open();
    connection!.enter(phase);
    assert.equal(killedAfter(kernel, killed!, 400_000), undefined);
  }
});

Deno.test("Guard ends a connection at its age: an idle one at once, a busy one with its answer, a stream politely", () => {
  const kernel = standStill({ accept: { age: 60_000 } });
  const idle = kernel.open();
  const busy = kernel.open();
  const stream = kernel.open();
  let finished = 0;
  stream.connection!.finish = () => void finished++;
  idle.connection!.enter(Phase.idle);
  busy.connection!.enter(Phase.serving);
  stream.connection!.enter(Phase.stream);
  killedAfter(kernel, idle.killed!, 100_000);
  assert.deepEqual([idle.killed, busy.killed, busy.connection!.closing, finished], [
    ["age_reached"],
    [],
    true,
    1,
  ]);
  busy.connection!.enter(Phase.idle);
  killedAfter(kernel, busy.killed!, 5000);
  assert.deepEqual(busy.killed, ["age_reached"]);
});

Deno.test("Guard insists when a connection does not end although it was told to", () => {
  const kernel = standStill();
  const { connection } = kernel.open();
  let kills = 0;
  connection!.kill = () => void kills++;
  for (let ms = 0; ms < 12_000; ms += periodMs) {
    kernel.clock.pass(periodMs);
    kernel.guard.sweep();
  }
  assert.equal(kills, 1);
  assert.equal(kernel.guard.connections.size, 0);
  assert.equal(kernel.total("weir_connections_closed_total", { reason: "first_byte_timeout" }), 1);
});

Deno.test("Guard counts addresses apart, gives their places back, and does not count unix sockets", () => {
  const kernel = standStill({ accept: { perAddress: 1, connections: 3 } });
  const first = kernel.open("10.0.0.1");
  assert.equal(kernel.open("10.0.0.1").refused, "address_full");
  assert.equal(kernel.open("").refused, undefined);
  assert.equal(kernel.open("").refused, undefined);
  assert.equal(kernel.open("10.0.0.2").refused, "connections_full");
  first.connection!.done("client_closed");
  first.connection!.done("client_closed");
  assert.equal(kernel.open("10.0.0.1").refused, undefined);
  assert.equal(kernel.total("weir_connections_open"), 3);
  assert.equal(kernel.total("weir_connections_refused_total"), 2);
});

Deno.test("Guard tells the watchers of a connection once, when it ends", () => {
  const kernel = standStill();
  const { connection } = kernel.open();
  let told = 0;
  connection!.watchers = new Set([() => void told++]);
  connection!.done("client_reset");
  connection!.done("client_closed");
  assert.deepEqual([told, connection!.gone, kernel.closedStreams()], [1, true, 1]);
});

Deno.test("Guard.killAll() ends everything, whatever it is doing", () => {
  const kernel = standStill();
  const opened = Object.values(Phase).map((phase) => {
    const one = kernel.open();
    one.connection!.enter(phase);
    return one;
  });
  assert.equal(kernel.guard.killAll("drain"), opened.length);
  assert.equal(kernel.guard.connections.size, 0);
  assert.ok(opened.every(({ killed }) => killed![0] === "drain"));
});

Deno.test("Guard loses no connection and no row, whatever happens in which order", () => {
  const step = fc.record({
    what: fc.constantFrom("open", "phase", "end", "pass", "bytes", "drain"),
    which: fc.nat(9),
    phase: fc.constantFrom(...Object.values(Phase)),
    ms: fc.nat(40_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const kernel = standStill({ accept: { perAddress: 4, connections: 6, age: 50_000 } });
      const opened: ReturnType<typeof kernel.open>[] = [];
      for (const { what, which, phase, ms } of steps) {
        const one = opened[which % Math.max(1, opened.length)];
        if (what === "open") opened.push(kernel.open(`10.0.0.${which % 3}`));
        else if (what === "pass") {
          kernel.clock.pass(ms);
          kernel.guard.sweep();
        } else if (what === "drain") kernel.guard.beginDrain();
        else if (what === "bytes" && one) one.socket.bytesRead += ms;
        else if (what === "phase" && one?.connection && !one.connection.gone) one.connection.enter(phase);
        else if (what === "end") one?.connection?.done("client_closed");
        assert.ok(kernel.guard.connections.size <= 6);
        assert.equal(kernel.total("weir_connections_open"), kernel.guard.connections.size);
      }
      kernel.guard.killAll("drain");
      const accepted = opened.filter((one) => one.connection).length;
      assert.equal(kernel.total("weir_connections_accepted_total"), accepted);
      assert.equal(kernel.total("weir_connections_closed_total"), accepted);
      assert.equal(kernel.closedStreams(), accepted);
      for (let i = 0; i < 4; i++) assert.equal(kernel.open("10.0.0.0").refused, undefined);
    }),
    { numRuns: 100 },
  );
});
