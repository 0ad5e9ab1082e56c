import assert from "node:assert/strict";
import type { LogsPlan } from "./logging.ts";
import { startWriter, textLines } from "./testdata/start_writer.ts";

const plan: LogsPlan = { level: "info", format: "json", sinks: {}, routes: [], redact: [] };
const count = 100_000;

Deno.test("ConsoleOutput never delays the loop while nobody reads, and every line is written or counted", async () => {
  let worstGapMs = Infinity;
  // a machine that is busy otherwise may be slow once; a blocking write would be slow always
  for (let attempt = 0; attempt < 3 && worstGapMs >= 50; attempt++) {
    const writer = startWriter({ id: 1, count, perTurn: 200, turnMs: 0, plan, closeMs: 10_000 });
    await writer.report();
    const blocked = await writer.report();
    worstGapMs = blocked.worstGapMs;
    // the pipe holds 64 KiB, the queue its bound: the rest was dropped long before anybody read
    assert.ok(blocked.counts.console!.dropped > count / 2, JSON.stringify(blocked.counts));
    let lines = 0;
    let said = 0;
    for await (const line of textLines(writer.child.stdout)) {
      const record = JSON.parse(line);
      if (record.message === "line") lines++;
      else said += record.dropped;
    }
    const { counts } = await writer.report();
    assert.equal(lines, counts.console!.written);
    assert.equal(counts.console!.written + counts.console!.dropped, count);
    assert.equal(said, counts.console!.dropped);
    assert.equal((await writer.child.status).code, 0);
    await writer.child.stderr.cancel().catch(() => {});
  }
  assert.ok(worstGapMs < 50, `worst gap ${worstGapMs} ms`);
});

Deno.test("ConsoleOutput does not keep the process from ending while nobody reads", async () => {
  const writer = startWriter({ id: 1, count: 5000, perTurn: 1000, turnMs: 0, plan, closeMs: 200 });
  await writer.report();
  await writer.report();
  const { counts } = await writer.report();
  assert.equal(counts.console!.written + counts.console!.dropped, 5000);
  assert.ok(counts.console!.dropped > 0);
  assert.equal((await writer.child.status).code, 0);
  await writer.child.stdout.cancel();
});
