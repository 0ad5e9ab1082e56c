import assert from "node:assert/strict";
import fc from "fast-check";
import type { EndpointFigures } from "./endpoint_table.ts";
import { endpointBytes, endpointRow, endpointsAt, maxEndpoints, slotHeaderBytes, viewsOf } from "./layout.ts";
import {
  endpointStates,
  EndpointTable,
  localStatsMemory,
  readEndpoints,
  readSeries,
  type WorkerEndpoint,
} from "./mod.ts";

const calm: EndpointFigures = {
  state: "usable",
  until: 0,
  cause: "",
  weight: 1,
  priority: 0,
  ewmaMs: 0,
  inflight: 0,
  idle: 0,
  busy: 0,
  waiters: 0,
  attempts: 0,
  failures: 0,
  oldestMs: 0,
};

Deno.test("set() shows an endpoint with its numbers until end()", () => {
  const memory = localStatsMemory(1);
  const { endpoints } = memory.slot(0).writer({ role: "worker", id: 4 });
  const row = endpoints.row("users", "10.0.0.1:80", "replica");
  const said: EndpointFigures = {
    state: "ejected",
    until: 1_700_000_000_000,
    cause: "5 failures in a row, the last: connect",
    weight: 0.5,
    priority: 2,
    ewmaMs: 12.5,
    inflight: 3,
    idle: 1,
    busy: 3,
    waiters: 7,
    attempts: 100,
    failures: 9,
    oldestMs: 250,
  };
  row.set(said);
  const where = { slot: 0, worker: "4", upstream: "users", address: "10.0.0.1:80", role: "replica" };
  assert.deepEqual(readEndpoints(memory), { total: 1, rows: [{ ...where, ...said }] });
  row.set({ ...calm, ewmaMs: 11 });
  assert.deepEqual(readEndpoints(memory).rows, [{ ...where, ...calm, ewmaMs: 11 }]);
  row.end();
  row.end();
  row.set(said);
  assert.equal(readEndpoints(memory).total, 0);
  assert.equal(endpoints.size, 0);
  endpoints.row("users", "10.0.0.2:80");
  const next = { ...where, ...calm, address: "10.0.0.2:80", role: "", weight: 0 };
  assert.deepEqual(readEndpoints(memory).rows, [next]);
});

Deno.test("row() counts endpoints that find no row, and gives them one when others end", () => {
  const memory = localStatsMemory(1);
  const { endpoints } = memory.slot(0).writer({ role: "worker", id: 1 });
  const rows = Array.from({ length: maxEndpoints }, (_, n) => endpoints.row("a", `10.0.0.${n}:80`));
  const late = endpoints.row("a", "late:80");
  late.set(calm);
  const dropped = () =>
    readSeries(memory, { only: (name) => name === "weir_endpoints_dropped_total" })[0]!.value;
  assert.equal(dropped(), 1);
  const addresses = () => readEndpoints(memory).rows.map(({ address }) => address);
  assert.equal(addresses().length, maxEndpoints);
  assert.ok(!addresses().includes("late:80"));
  rows[7]!.end();
  late.set({ ...calm, attempts: 5 });
  assert.ok(addresses().includes("late:80") && !addresses().includes("10.0.0.7:80"));
  late.end();
  assert.equal(endpoints.size, maxEndpoints - 1);
  assert.equal(dropped(), 1);
});

Deno.test("readEndpoints() sorts by upstream, address, role and slot, and keeps to its limit", () => {
  const memory = localStatsMemory(2);
  for (const slot of [1, 0]) {
    const { endpoints } = memory.slot(slot).writer({ role: "worker", id: slot + 1 });
    for (
      const [upstream, address, role] of [["b", "1", null], ["a", "2", "x"], ["a", "2", null], [
        "a",
        "1",
        null,
      ]]
    ) {
      endpoints.row(upstream!, address!, role).set(calm);
    }
  }
  const text = ({ upstream, address, role, worker }: WorkerEndpoint) =>
    `${upstream} ${address}${role} ${worker}`;
  const wanted = ["a 1 1", "a 1 2", "a 2 1", "a 2 2", "a 2x 1", "a 2x 2", "b 1 1", "b 1 2"];
  assert.deepEqual(readEndpoints(memory).rows.map(text), wanted);
  const { total, rows } = readEndpoints(memory, { limit: 3 });
  assert.deepEqual([total, rows.map(text)], [8, wanted.slice(0, 3)]);
  assert.deepEqual(readEndpoints(memory, { only: ({ id }) => id === "2" }).rows.map(({ slot }) => slot), [
    1,
    1,
    1,
    1,
  ]);
});

Deno.test("clear() voids the rows that were given out", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  const old = writer.endpoints.row("a", "old:1");
  writer.endpoints.clear();
  const fresh = writer.endpoints.row("a", "fresh:1");
  fresh.set(calm);
  old.end();
  assert.deepEqual(readEndpoints(memory).rows.map(({ address }) => address), ["fresh:1"]);
  assert.equal(writer.endpoints.size, 1);
});

Deno.test("the writer of a slot empties the table of the one before it", () => {
  const memory = localStatsMemory(1);
  memory.slot(0).writer({ role: "worker", id: 1, pid: 2 ** 22 + 1 }).endpoints.row("a", "old:1").set(calm);
  assert.equal(readEndpoints(memory).total, 1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  assert.equal(readEndpoints(memory).total, 0);
  writer.endpoints.row("a", "new:1");
  writer.close();
  assert.equal(readEndpoints(memory).total, 0);
});

Deno.test("set() cuts what is too long, at a character", () => {
  const memory = localStatsMemory(1);
  const { endpoints } = memory.slot(0).writer({ role: "worker", id: 1 });
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary", maxLength: 300 }),
      (address, cause) => {
        const row = endpoints.row("u", address);
        row.set({ ...calm, cause });
        const [read] = readEndpoints(memory).rows;
        assert.ok(
          address.toWellFormed().startsWith(read!.address) && cause.toWellFormed().startsWith(read!.cause),
        );
        row.end();
      },
    ),
    { numRuns: 100 },
  );
  assert.equal(endpoints.size, 0);
});

Deno.test("readEndpoints() survives a table full of nonsense", () => {
  const memory = localStatsMemory(2);
  for (const slot of [0, 1]) {
    memory.slot(slot).writer({ role: "worker", id: slot }).endpoints.row("u", `a${slot}:1`).set(calm);
  }
  const { bytes } = memory.slot(0).views;
  for (let at = 0; at < bytes.length; at += 60_000) crypto.getRandomValues(bytes.subarray(at, at + 60_000));
  const { rows } = readEndpoints(memory);
  assert.ok(rows.some(({ address }) => address === "a1:1"));
  for (const { state } of rows) assert.ok(endpointStates.includes(state));
});

Deno.test("EndpointTable writes nothing outside of its own region", () => {
  const memory = localStatsMemory(1);
  const { views } = memory.slot(0);
  const own = viewsOf(new SharedArrayBuffer(views.bytes.length), 0, views.bytes.length);
  const table = new EndpointTable(own, { add() {} } as never, () => 3);
  for (let n = 0; n < maxEndpoints; n++) {
    table.row("u", "x".repeat(500), "y".repeat(500)).set({
      ...calm,
      cause: "z".repeat(500),
      attempts: n,
      oldestMs: n,
    });
  }
  const { bytes, i32 } = own;
  const end = endpointsAt + maxEndpoints * endpointBytes;
  assert.ok(bytes.subarray(slotHeaderBytes, endpointsAt).every((byte) => byte === 0));
  assert.ok(bytes.subarray(end).every((byte) => byte === 0));
  for (let n = 0; n < maxEndpoints; n++) {
    assert.equal(i32[(endpointsAt + n * endpointBytes) / 4 + endpointRow.live], 1);
  }
});
