import assert from "node:assert/strict";
import { simTable, simulate, usual } from "./mod.ts";

const small = { ...usual, clients: 40, endpoints: 10 };

Deno.test("simulate() gives the same table for the same seed, and another for another", async () => {
  const tables = [simTable(await simulate(7, small)), simTable(await simulate(7, small))];
  assert.equal(tables[0], tables[1]);
  assert.notEqual(simTable(await simulate(8, small)), tables[0]);
});

Deno.test("simulate() shows the policies at work: retries within their budget, failing endpoints left alone, recovery", async () => {
  const { rows, recoveryMs } = await simulate(1, small);
  const row = (phase: string) => rows.find((one) => one.phase === phase)!;
  const good = (phase: string) => row(phase).tally.good / row(phase).tally.latencies.length;
  assert.ok(good("all well") > 0.999 && row("all well").spread < 1.3, simTable({ rows, recoveryMs }));
  assert.ok(good("10 % still fail") > 0.995);
  assert.ok(row("10 % still fail").toFailing < 0.03, `${row("10 % still fail").toFailing}`);
  assert.ok(row("they are well again").toFailing > 0.04, "they get traffic again");
  const { attempts, calls } = row("10 % begin to fail").tally;
  assert.ok(attempts > calls && attempts < 1.2 * calls, `${attempts} for ${calls}`);
  assert.equal(good("none is there"), 0);
  // Breakers stay open for 5 s, then their ramp takes as long.
  assert.ok(recoveryMs <= 16_000, String(recoveryMs));
});
