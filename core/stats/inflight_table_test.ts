import assert from "node:assert/strict";
import fc from "fast-check";
import { localStatsMemory, readInflight, readSeries } from "./mod.ts";
import { inflightAt, maxInflight } from "./layout.ts";

function table() {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  return { memory, writer, inflight: writer.inflight, rows: () => readInflight(memory) };
}

Deno.test("begin() shows a request with its text, phase and mark until end()", () => {
  const { writer, inflight, rows } = table();
  const row = inflight.begin(writer.intern("api"), 17, 1000, "GET /users");
  inflight.phase(row, 3);
  inflight.mark(row, "asking the database", 1200);
  assert.deepEqual(rows().rows, [{
    slot: 0,
    worker: "1",
    id: 1,
    listener: "api",
    phase: 3,
    startedAt: 1000,
    text: "GET /users",
    mark: "asking the database",
    markedAt: 1200,
    connection: 17,
    torn: false,
  }]);
  inflight.end(row);
  assert.deepEqual(rows(), { total: 0, rows: [] });
});

Deno.test("begin() leaves nothing of the row's former request behind", () => {
  const { inflight, rows } = table();
  const row = inflight.begin(0, 5, 1, "a long text of the former request");
  inflight.mark(row, "mark", 2);
  inflight.phase(row, 4);
  inflight.end(row);
  assert.equal(inflight.begin(0, -1, 9), row);
  const [request] = rows().rows;
  assert.deepEqual([request!.text, request!.mark, request!.markedAt, request!.phase], ["", "", 0, 0]);
  inflight.text(row, "now known");
  assert.equal(rows().rows[0]!.text, "now known");
});

Deno.test("begin() cuts texts at 64 bytes and keeps what is not ASCII", () => {
  const { inflight, rows } = table();
  inflight.begin(0, -1, 1, "x".repeat(100));
  inflight.begin(0, -1, 2, "GET /größe?q=€");
  inflight.begin(0, -1, 3, `${"x".repeat(63)}€`);
  assert.deepEqual(rows().rows.map((r) => r.text), ["x".repeat(64), "GET /größe?q=€", "x".repeat(63)]);
});

Deno.test("begin() returns -1 and counts when all rows are taken; -1 is accepted everywhere", () => {
  const { memory, inflight, rows } = table();
  const taken = Array.from({ length: maxInflight }, (_, n) => inflight.begin(0, -1, n));
  assert.equal(new Set(taken).size, maxInflight);
  assert.equal(inflight.begin(0, -1, 1, "too many"), -1);
  inflight.phase(-1, 1);
  inflight.mark(-1, "x");
  inflight.text(-1, "x");
  inflight.end(-1);
  const [dropped] = readSeries(memory, { only: (name) => name === "weir_inflight_dropped_total" });
  assert.equal(dropped!.value, 1);
  assert.equal(rows().total, maxInflight);
  assert.equal(rows().rows.length, 1000);
  inflight.end(taken[7]!);
  assert.equal(inflight.begin(0, -1, 1), taken[7]);
});

Deno.test("end() twice gives the row back once", () => {
  const { inflight } = table();
  const row = inflight.begin(0, -1, 1);
  inflight.end(row);
  inflight.end(row);
  assert.notEqual(inflight.begin(0, -1, 1), inflight.begin(0, -1, 1));
});

Deno.test("the table holds exactly the requests that began and did not end, in any order", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 200 }), (steps) => {
      const { inflight, rows } = table();
      const open: Array<{ row: number; startedAt: number }> = [];
      steps.forEach((step, n) => {
        if (step < 18) open.push({ row: inflight.begin(0, -1, n, `request ${n}`), startedAt: n });
        else if (open.length > 0) inflight.end(open.splice(step % open.length, 1)[0]!.row);
      });
      assert.equal(inflight.size, open.length);
      assert.deepEqual(
        rows().rows.map((r) => r.text),
        open.toSorted((a, b) => a.startedAt - b.startedAt).map((o) => `request ${o.startedAt}`),
      );
    }),
    { numRuns: 30 },
  );
});

Deno.test("readInflight() shows a row whose writer died in it as torn, and the next writer frees it", () => {
  const { memory, inflight, rows } = table();
  const row = inflight.begin(0, -1, 1, "GET /");
  const sequenceAt = (inflightAt + row * 192) / 4;
  memory.slot(0).views.i32[sequenceAt]! += 1;
  assert.deepEqual(rows().rows.map((r) => [r.text, r.torn]), [["GET /", true]]);
  const next = memory.slot(0).writer({ role: "worker", id: 1, takeOver: true });
  assert.equal(rows().total, 0);
  next.inflight.begin(0, -1, 2, "POST /");
  assert.deepEqual(rows().rows.map((r) => [r.text, r.torn]), [["POST /", false]]);
});
