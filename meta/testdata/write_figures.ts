/** Writes figures into a slot as a worker does, so that every page has something to show. */

import { type EndpointFigures, type SlotWriter, type StatsMemory } from "../../core/stats/mod.ts";

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
  writeUpstreams(writer, id);
  writeStreams(writer);
  writeGroup(writer, id);
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

/** Two upstreams: one in trouble, one that is well. */
function writeUpstreams(writer: SlotWriter, id: number): void {
  const now = Date.now();
  const labels = { upstream: "users" };
  for (const [reason, count] of Object.entries({ ok: 900, upstream_timeout: 12, breaker_open: 3, client_left: 1 })) {
    writer.counter("weir_upstream_calls_total", { ...labels, reason }, "Calls by how they ended").add(count);
  }
  writer.counter("weir_upstream_calls_total", { upstream: "cache", reason: "ok" }).add(5000);
  const duration = writer.histogram("weir_upstream_call_duration_seconds", labels);
  for (let i = 0; i < 900; i++) duration.record(2 + i % 30);
  for (const [failure, count] of Object.entries({ none: 900, timeout: 20, refused: 7 })) {
    writer.counter("weir_upstream_attempts_total", { ...labels, failure }).add(count);
  }
  writer.counter("weir_upstream_retries_total", labels).add(15);
  writer.gauge("weir_upstream_in_flight", labels).set(5);
  for (const [state, count] of Object.entries({ idle: 3, busy: 5, waiters: 2 })) {
    writer.gauge("weir_upstream_connections", { ...labels, state }).set(count);
  }
  writer.gauge("weir_upstream_breaker", { ...labels, breaker: "GET" }, "", "max").set(0);
  writer.gauge("weir_upstream_breaker", { ...labels, breaker: "POST" }, "", "max").set(1);
  const row = (address: string, figures: Partial<EndpointFigures>, upstream = "users", role: string | null = null) => {
    writer.endpoints.row(upstream, address, role).set({
      state: "usable",
      until: 0,
      cause: "",
      weight: 1,
      priority: 0,
      ewmaMs: 3.2 + id,
      inflight: 1,
      idle: 2,
      busy: 1,
      waiters: 0,
      attempts: 450,
      failures: 0,
      oldestMs: 0,
      ...figures,
    });
  };
  row("10.0.0.1:80", { inflight: 3, busy: 3, oldestMs: 140 });
  row("10.0.0.2:80", id === 1
    ? { state: "ejected", until: now + 12_300, cause: "5 failures in a row, the last: connect <b>", failures: 9, ewmaMs: 0 }
    : { failures: 2 });
  row("10.0.0.3:80", { state: "operator", cause: "slow disk", weight: 2 }, "users", "replica");
  row("[2001:db8::1]:8080", { priority: 1, attempts: 0, inflight: 0, busy: 0, ewmaMs: 0 });
  row("127.0.0.1:6379", { attempts: 5000, idle: 1, ewmaMs: 0.2 }, "cache");
  const calm = { error: "", cached: false, panic: false, breakers: "", retryLeft: 42.5, throttleInflight: 0, throttleWaiting: 0 };
  writer.upstreams.set("users", {
    ...calm,
    source: "dns users.internal",
    updatedAt: now - 4000,
    error: "no such name: users.internal",
    cached: true,
    breakers: "POST open",
    throttleInflight: 5,
    throttleWaiting: 2,
  });
  writer.upstreams.set("cache", { ...calm, source: "static", updatedAt: now - 60_000 });
}

/** Two streams: one whose broker is away, one that is well. */
function writeStreams(writer: SlotWriter): void {
  const now = Date.now();
  const labels = { stream: "decisions" };
  writer.counter("weir_stream_written_total", labels, "Records that workers wrote").add(1000);
  writer.counter("weir_stream_refused_total", { ...labels, reason: "spool_full" }).add(4);
  writer.streams.set("decisions", {
    state: "backingOff",
    sent: 1000,
    acked: 600,
    failed: 3,
    dropped: 7,
    queued: 390,
    queuedBytes: 900 * 1024,
    oldestAt: now - 90_000,
    inflight: 100,
    retries: 12,
    lanes: 2,
    damagedBytes: 64,
    ackedAt: now - 91_000,
    at: now,
    error: "no broker of 127.0.0.1:9092 answers <b>",
    errorAt: now - 1000,
  });
  writer.streams.set("audit", {
    state: "idle",
    sent: 50,
    acked: 50,
    failed: 0,
    dropped: 0,
    queued: 0,
    queuedBytes: 0,
    oldestAt: 0,
    inflight: 0,
    retries: 0,
    lanes: 1,
    damagedBytes: 0,
    ackedAt: now - 500,
    at: now,
    error: "",
    errorAt: 0,
  });
}

/** A consumer group: each worker has a partition. */
function writeGroup(writer: SlotWriter, id: number): void {
  const labels = { listener: "jobs" };
  for (const [result, count] of Object.entries({ done: 500, retried: 6, dead: 2 })) {
    writer.counter("weir_kafka_records_total", { ...labels, result }, "Records by what became of them").add(count);
  }
  writer.gauge("weir_kafka_lag_records", { ...labels, partition: id + 9 }).set(40);
  writer.gauge("weir_kafka_assigned_partitions", labels).set(1);
  writer.counter("weir_kafka_rebalances_total", labels).add(3);
}
