/** Writes figures into a slot as a worker does, so that every page has something to show. */

import { type SlotWriter, type StatsMemory } from "../../core/stats/mod.ts";

/** Fills slot `number` for worker `id` of this process and returns its writer. */
export function writeFigures(memory: StatsMemory, number: number, id: number, pid = Deno.pid): SlotWriter {
  const writer = memory.slot(number).writer({ role: "worker", id, pid, generation: 1 });
  writer.state("ready");
  writer.beat(0.4);
  const now = Date.now();
  const labels = { listener: "api" };
  const ended = { ok: 1200, queue_full: 7, client_left: 3, handler_error: 2 };
  for (const [reason, count] of Object.entries(ended)) {
    writer.counter("weir_requests_total", { ...labels, reason }, "Requests by how they ended").add(count);
  }
  const duration = writer.histogram("weir_request_duration_seconds", labels, { help: "Time to the answer" });
  for (let i = 0; i < 1200; i++) duration.record(1 + i % 40);
  writer.histogram("weir_queue_wait_seconds", labels).record(0.2);
  writer.gauge("weir_requests_in_flight", labels).set(2);
  writer.gauge("weir_queue_depth", labels).set(1);
  writer.gauge("weir_concurrency_limit", labels).set(1024);
  writer.gauge("weir_connections_open", labels).set(2);
  writer.counter("weir_connections_accepted_total", labels).add(40);
  writer.counter("weir_connections_refused_total", { ...labels, reason: "connections_full" }).add(1);
  writer.counter("weir_connections_closed_total", { ...labels, reason: "idle_timeout" }).add(38);
  writer.gauge("weir_loop_delay_seconds", {}, "Loop delay", "max").set(0.0004);
  writer.distinct("weir_clients_distinct", labels).add("10.0.0.1");
  writer.counter("weir_log_dropped_total", { sink: "access" }).add(0);
  writer.counter("weir_pool_runs_total", { pool: "crypto", outcome: "ok" }).add(50);
  writer.histogram("weir_pool_run_seconds", { pool: "crypto" }).record(12);
  writer.counter("app_odd_total", { text: 'quote " back \\ line\nend' }, "Odd labels").add(1);
  const listener = writer.intern("api");
  const connection = writer.connections.open(listener, "10.0.0.1", true, now - 30_000);
  writer.connections.request(connection, now - 100);
  writer.connections.bytes(connection, 1234, 56_789);
  const row = writer.inflight.begin(listener, connection, now - 1500, "GET /users/7?<script>alert(1)</script>");
  writer.inflight.phase(row, 3);
  writer.inflight.mark(row, "asking the database \x1b[31m", now - 1400);
  writer.inflight.begin(listener, -1, now - 20, "POST /orders");
  return writer;
}
