import assert from "node:assert/strict";
import { localStatsMemory, readConnections, readSeries } from "./mod.ts";
import { maxConnections } from "./layout.ts";

Deno.test("open() shows a connection with its numbers until close()", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 4 });
  const { connections } = writer;
  const row = connections.open(writer.intern("api"), "[2001:db8::1]:443", true, 1000);
  connections.phase(row, 4);
  connections.request(row, 1100);
  connections.request(row, 1200);
  connections.bytes(row, 10, 2000);
  connections.bytes(row, 5, 0);
  connections.active(row, 1300);
  assert.deepEqual(readConnections(memory), {
    total: 1,
    rows: [{
      slot: 0,
      worker: "4",
      row,
      listener: "api",
      peer: "[2001:db8::1]:443",
      tls: true,
      phase: 4,
      openedAt: 1000,
      activeAt: 1300,
      requests: 2,
      bytesIn: 15,
      bytesOut: 2000,
      torn: false,
    }],
  });
  connections.close(row);
  connections.close(row);
  assert.equal(readConnections(memory).total, 0);
  assert.equal(connections.size, 0);
  assert.equal(connections.open(0, "", false, 1), row);
  assert.deepEqual(readConnections(memory).rows.map((c) => [c.requests, c.bytesOut, c.phase]), [[0, 0, 0]]);
});

Deno.test("open() returns -1 and counts when all rows are taken; -1 is accepted everywhere", () => {
  const memory = localStatsMemory(1);
  const { connections } = memory.slot(0).writer({ role: "worker", id: 1 });
  for (let n = 0; n < maxConnections; n++) assert.notEqual(connections.open(0, `${n}`, false, n), -1);
  assert.equal(connections.open(0, "x", false, 1), -1);
  connections.phase(-1, 1);
  connections.request(-1, 1);
  connections.active(-1, 1);
  connections.bytes(-1, 1, 1);
  connections.close(-1);
  assert.equal(readConnections(memory, { limit: 3 }).rows.map((c) => c.peer).join(), "0,1,2");
  assert.equal(readConnections(memory).total, maxConnections);
  const [dropped] = readSeries(memory, { only: (name) => name === "weir_connections_dropped_total" });
  assert.equal(dropped!.value, 1);
});
