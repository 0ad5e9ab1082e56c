import assert from "node:assert/strict";
import fc from "fast-check";
import { Sink } from "./sink.ts";
import { FakeClock, settle } from "./testdata/fake_clock.ts";
import { MemoryOutput } from "./testdata/memory_output.ts";

function setUp(options: { maxLines?: number; maxChars?: number } = {}) {
  const clock = new FakeClock();
  const output = new MemoryOutput();
  const said: string[] = [];
  const sink = new Sink("s", output, {
    clock,
    ...options,
    droppedLine: (count) => `dropped ${count}\n`,
    onTrouble: (error) => said.push(String(error)),
    onRecovered: () => said.push("recovered"),
  });
  return { clock, output, sink, said };
}

Deno.test("Sink gathers lines for 50 ms and writes them as one batch", async () => {
  const { clock, output, sink } = setUp();
  for (let i = 0; i < 5; i++) sink.push(`${i}\n`);
  await clock.pass(49);
  assert.deepEqual(output.batches, []);
  await clock.pass(1);
  assert.deepEqual(output.batches, [5]);
  assert.equal(sink.written, 5);
  assert.equal(clock.waiting, 0);
});

Deno.test("Sink writes at once when 128 KiB wait, and when it is kicked", async () => {
  const { output, sink } = setUp();
  for (let i = 0; i < 128; i++) sink.push("x".repeat(1023) + "\n");
  await settle();
  assert.deepEqual(output.batches, [128]);
  sink.push("warning\n");
  sink.kick();
  await settle();
  assert.deepEqual(output.batches, [128, 1]);
});

Deno.test("Sink drops and counts what does not fit while the output is blocked, and says so afterwards", async () => {
  const { clock, output, sink } = setUp({ maxLines: 10 });
  output.block();
  for (let i = 0; i < 4; i++) sink.push(`${i}\n`);
  await clock.pass(50);
  for (let i = 4; i < 25; i++) sink.push(`${i}\n`);
  assert.equal(sink.dropped, 15);
  output.unblock();
  await settle();
  await clock.pass(50);
  assert.deepEqual(output.lines.filter((line) => line.startsWith("dropped")), ["dropped 15\n"]);
  assert.equal(output.lines.length, 11);
  assert.deepEqual([sink.written, sink.dropped], [10, 15]);
});

Deno.test("Sink is bounded in characters as well", () => {
  const { sink } = setUp({ maxChars: 100 });
  for (let i = 0; i < 10; i++) sink.push("x".repeat(29) + "\n");
  assert.equal(sink.dropped, 7);
});

Deno.test("Sink keeps the rest of a batch that failed, backs off and reports one outage", async () => {
  const { clock, output, sink, said } = setUp();
  output.failAfter = 2;
  for (let i = 0; i < 5; i++) sink.push(`${i}\n`);
  await clock.pass(50);
  assert.deepEqual([sink.written, sink.dropped, said.length], [2, 0, 1]);
  const before = output.batches.length;
  await clock.pass(60_000);
  const tries = output.batches.length - before;
  assert.ok(tries >= 12 && tries <= 25, `back-off up to 5 s, saw ${tries} tries in a minute`);
  output.failAfter = Infinity;
  await clock.pass(5000);
  assert.deepEqual(output.lines, ["0\n", "1\n", "2\n", "3\n", "4\n"]);
  assert.deepEqual(said, ["Error: no space", "recovered"]);
});

Deno.test("Sink tries again at once when it is flushed during an outage", async () => {
  const { clock, output, sink } = setUp();
  output.failAfter = 0;
  sink.push("a\n");
  await clock.pass(50);
  output.failAfter = Infinity;
  const flushed = sink.flush(1000);
  await settle();
  assert.equal(await flushed, true);
  assert.deepEqual(output.lines, ["a\n"]);
});

Deno.test("Sink.close() gives up at its deadline when the output is blocked, and counts what is left", async () => {
  const { clock, output, sink } = setUp();
  output.block();
  for (let i = 0; i < 7; i++) sink.push(`${i}\n`);
  const closed = sink.close(300);
  await clock.pass(300);
  await closed;
  assert.deepEqual([sink.written, sink.dropped, output.closed], [0, 7, true]);
  sink.push("late\n");
  assert.equal(sink.dropped, 8);
  assert.equal(clock.waiting, 0);
});

Deno.test("Sink never loses count: written + dropped = sent, in order, whatever the output does", async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("push" as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant("pass" as const), count: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ do: fc.constantFrom("block", "unblock", "mend", "kick", "reopen"), count: fc.constant(0) }),
    fc.record({ do: fc.constant("fail" as const), count: fc.integer({ min: 0, max: 40 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { clock, output, sink } = setUp({ maxLines: 50, maxChars: 4000 });
      let sent = 0;
      for (const { do: act, count } of steps) {
        if (act === "push") { for (let i = 0; i < count; i++) sink.push(`line ${sent++}\n`); }
        else if (act === "pass") await clock.pass(count);
        else if (act === "block") output.block();
        else if (act === "unblock") output.unblock();
        else if (act === "fail") output.failAfter = count;
        else if (act === "mend") output.failAfter = Infinity;
        else if (act === "kick") sink.kick();
        else sink.reopen();
      }
      const closed = sink.close(1000);
      await clock.pass(1000);
      await closed;
      assert.equal(sink.written + sink.dropped, sent);
      const lines = output.lines.filter((line) => line.startsWith("line"));
      // what a blocked output writes after the deadline was counted as dropped already
      assert.ok(lines.length >= sink.written);
      const numbers = lines.map((line) => Number(line.slice(5)));
      assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!), "in order, none twice");
      assert.equal(clock.waiting, 0);
    }),
    { numRuns: 300 },
  );
});
