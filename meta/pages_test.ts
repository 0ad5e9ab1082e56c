/** All pages of a real governor in all their forms, against a supervisor of the test. */

import assert from "node:assert/strict";
import { get, paths, startBusy, token, withFormat } from "./testdata/ask.ts";
import { childStatus } from "./testdata/fake_supervisor.ts";
import { parsePrometheus } from "./testdata/parse_prometheus.ts";

Deno.test("governor answers every page as HTML, text and JSON, with strict headers and without a secret", async () => {
  await using fake = await startBusy();
  const spellings = [
    token,
    JSON.stringify(token).slice(1, -1),
    token.replace("<", "&#60;").slice(0, 16),
    "canary-7d1f",
  ];
  for (const path of paths) {
    for (
      const [format, type] of [["html", "text/html"], ["text", "text/plain"], [
        "json",
        "application/json",
      ]] as const
    ) {
      const answer = await get(fake, withFormat(path, format));
      assert.equal(answer.status, 200, `${path} ${format}: ${answer.text.slice(0, 200)}`);
      assert.ok(answer.headers.get("content-type")!.startsWith(type), path);
      assert.match(
        answer.headers.get("content-security-policy")!,
        /^default-src 'none'; style-src 'self'; form-action/,
      );
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
      assert.equal(answer.headers.get("cache-control"), "no-store");
      for (const spelling of spellings) {
        assert.ok(!answer.text.includes(spelling), `${path} ${format} shows the token`);
      }
      if (format === "json") JSON.parse(answer.text);
      else if (format === "html") {
        assert.match(answer.text, /^<!doctype html>/);
        assert.doesNotMatch(answer.text, /<script|style=|https?:\/\/(?!127\.0\.0\.1)[a-z]/);
      }
    }
  }
});

Deno.test("governor shows the same figures in all forms of a page", async () => {
  await using fake = await startBusy();
  const data = JSON.parse((await get(fake, "/listeners/api?format=json")).text);
  assert.equal(data.requests.find((row: { reason: string }) => row.reason === "ok").total, 1200);
  assert.equal(data.requests.find((row: { reason: string }) => row.reason === "queue_full").party, "service");
  assert.equal(data.now.inFlight, 2);
  const since = data.latency.find((row: { window: string }) => row.window === "since start");
  assert.ok(since.p50Ms > 15 && since.p50Ms < 25 && since.p999Ms !== null);
  assert.match((await get(fake, "/listeners/api")).text, /^ok +service +answered +1,200 /m);
  assert.match((await get(fake, "/listeners/api?format=html")).text, /<td class="n">1,200<\/td>/);
  const inflight = JSON.parse((await get(fake, "/inflight?format=json&limit=1")).text).inflight;
  assert.equal(inflight.length, 1);
  assert.match(inflight[0].text, /^GET \/users\/7\?<script>/);
  assert.ok(inflight[0].ageMs >= 1500 && inflight[0].phase === "serving");
  const connections = JSON.parse((await get(fake, "/connections?format=json&peer=10.0")).text).connections;
  assert.deepEqual([connections[0].peer, connections[0].bytesOut, connections[0].tls], [
    "10.0.0.1",
    56_789,
    true,
  ]);
  assert.deepEqual(
    JSON.parse((await get(fake, "/connections?format=json&peer=nobody")).text).connections,
    [],
  );
  const exits = JSON.parse((await get(fake, "/workers?format=json")).text).exits;
  assert.equal(exits[0].cause, "signal SIGKILL");
});

Deno.test("governor shows streams, and on /status what is wrong with them, while the service stays ready", async () => {
  await using fake = await startBusy();
  const page = JSON.parse((await get(fake, "/streams?format=json")).text);
  const [decisions, audit, silent] = page.streams;
  assert.deepEqual([decisions.sink, decisions.target], ["kafka", "decisions at 127.0.0.1:9092"]);
  assert.deepEqual([decisions.state, decisions.queued, decisions.inflight], ["backing off", 390, 100]);
  assert.ok(decisions.oldestMs >= 90_000 && decisions.full > 0.87 && decisions.full < 0.88);
  assert.deepEqual([audit.sink, audit.state, audit.queued, audit.oldestMs], ["file", "idle", 0, null]);
  assert.deepEqual([silent.sink, silent.state, silent.queued], ["stdout", null, null]);
  const { name: _, ageMs: __, ackedAgoMs, ...records } = page.records[0];
  assert.deepEqual(records, {
    sent: 1000,
    acked: 600,
    failed: 3,
    dropped: 7,
    queued: 390,
    written: 1000,
    refused: 4,
    retries: 12,
    lanes: 2,
    damagedBytes: 64,
  });
  assert.ok(ackedAgoMs >= 91_000);
  assert.equal(page.errors[0].error, "no broker of 127.0.0.1:9092 answers <b>");
  assert.deepEqual([page.refused[0].reason, page.refused[0].total], ["spool_full", 4]);
  const { status, text } = await get(fake, "/status");
  assert.equal(status, 200);
  assert.match(
    text,
    /bad +decisions: the sink takes nothing, 390 records wait, the oldest for (1m 3\d|[2-9]m \d+)s: no broker/,
  );
  assert.match(
    text,
    /warn +decisions: its spool is 88 % full \(900 KiB of 1 MiB\); when it is full the oldest/,
  );
  assert.match(text, /^decisions +kafka /m);
  assert.equal((await get(fake, "/readyz")).status, 200);
});

Deno.test("governor's metrics carry all figures of a stream from one reading of its row", async () => {
  await using fake = await startBusy();
  const families = parsePrometheus((await get(fake, "/metrics")).text);
  const figure = (name: string) =>
    families.get(`weir_stream_${name}`)!.samples.find(({ labels }) => labels.stream === "decisions")!.value;
  const counts = ["sent_total", "acked_total", "failed_total", "dropped_total", "queued"].map(figure);
  assert.deepEqual(counts, [1000, 600, 3, 7, 390]);
  const others = ["queued_bytes", "inflight", "retries_total", "damaged_bytes_total", "lanes"].map(figure);
  assert.deepEqual(others, [900 * 1024, 100, 12, 64, 2]);
  assert.ok(figure("oldest_seconds") >= 90 && figure("figures_age_seconds") < 60);
  assert.equal(families.get("weir_stream_sent_total")!.type, "counter");
  assert.equal(families.get("weir_stream_queued")!.type, "gauge");
  assert.deepEqual(families.get("weir_stream_queued")!.samples.map(({ labels }) => labels.stream), [
    "decisions",
    "audit",
  ]);
});

Deno.test("governor shows the consumer group of a kafka listener in place of connections", async () => {
  await using fake = await startBusy();
  const page = JSON.parse((await get(fake, "/listeners/jobs?format=json")).text);
  assert.deepEqual([page.consumer.topic, page.consumer.group], ["jobs", "shop"]);
  assert.equal(page.consumer.brokers, "127.0.0.1:9092, [::1]:9092");
  assert.deepEqual([page.consumer.assigned, page.consumer.lag, page.consumer.rebalances], [1, 40, 3]);
  assert.deepEqual(
    page.records.map(({ result, total }: { result: string; total: number }) => [result, total]),
    [["dead", 2], ["done", 500], ["retried", 6]],
  );
  assert.deepEqual([page.partitions[0].partition, page.partitions[0].workers, page.partitions[0].lag], [
    "10",
    "1",
    40,
  ]);
  const { worker, assigned, lag, done, retried, dead, rebalances } = page.members[0];
  assert.deepEqual([worker, assigned, lag, done, retried, dead, rebalances], ["1", 1, 40, 500, 6, 2, 3]);
  assert.equal(page.connections, undefined);
  const lines = JSON.parse((await get(fake, "/listeners/lines?format=json")).text);
  assert.deepEqual([lines.consumer, typeof lines.connections], [undefined, "object"]);
});

Deno.test("governor's index lists every page, and every link on it answers", async () => {
  await using fake = await startBusy();
  const html = (await get(fake, "/", { headers: { accept: "text/html" } })).text;
  const links = [...html.matchAll(/href="([^"]+)"/g)].map((match) => match[1]!.replaceAll("&#38;", "&"));
  for (const path of paths) {
    assert.ok(links.some((link) => link === path || link.startsWith(`${path}?`)), path);
  }
  for (const link of new Set(links)) assert.equal((await get(fake, link)).status, 200, link);
  const text = (await get(fake, "/")).text;
  const lines = [...text.matchAll(/curl '?(http:\/\/[^\s']+)/g)].map((match) => match[1]!);
  assert.ok(lines.length >= paths.length);
  for (const line of lines) assert.equal((await get(fake, line.slice(fake.base.length))).status, 200, line);
});

Deno.test("governor gives curl text, a browser HTML, and refuses what it does not know", async () => {
  await using fake = await startBusy();
  assert.match((await get(fake, "/status", { headers: { accept: "*/*" } })).text, /^Status\n======\n/);
  assert.match((await get(fake, "/status", { headers: { accept: "application/json" } })).text, /^\{/);
  assert.match(
    (await get(fake, "/status?refresh=2&format=html")).text,
    /<meta http-equiv="refresh" content="2">/,
  );
  assert.doesNotMatch((await get(fake, "/status?refresh=0.1&format=html")).text, /http-equiv="refresh"/);
  assert.equal((await get(fake, "/status?format=xml")).status, 400);
  assert.equal((await get(fake, "/listeners/nope")).status, 404);
  assert.equal((await get(fake, "/listeners/__proto__")).status, 404);
  assert.equal((await get(fake, "/logs?level=loud")).status, 400);
  assert.equal((await get(fake, "/series?limit=many")).status, 400);
  const missing = await get(fake, "/nowhere");
  assert.equal(missing.status, 404);
  assert.match(missing.text, /\/workers/);
  const head = await get(fake, "/workers", { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  const options = await get(fake, "/reload", { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "POST, OPTIONS"]);
  const wrong = await get(fake, "/workers", { method: "DELETE" });
  assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  assert.equal((await get(fake, "/assets/meta.css")).headers.get("content-type"), "text/css; charset=utf-8");
});

Deno.test("governor's metrics pass a strict parser and carry processes and listeners", async () => {
  await using fake = await startBusy();
  const answer = await get(fake, "/metrics");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const families = parsePrometheus(answer.text);
  const ok = families.get("weir_requests_total")!.samples.find((sample) => sample.labels.reason === "ok")!;
  assert.deepEqual([ok.value, ok.labels.listener], [1200, "api"]);
  assert.equal(families.get("app_odd_total")!.samples[0]!.labels.text, 'quote " back \\ line\nend');
  assert.equal(families.get("weir_request_duration_seconds")!.type, "histogram");
  assert.equal(families.get("weir_ready")!.samples[0]!.value, 1);
  assert.ok(
    families.get("process_resident_memory_bytes")!.samples.some((sample) => sample.labels.role === "worker"),
  );
  const state = families.get("weir_process_state")!.samples.filter((sample) =>
    sample.labels.role === "worker"
  );
  assert.deepEqual(state.filter((sample) => sample.value === 1).map((sample) => sample.labels.state), [
    "ready",
  ]);
  assert.equal(families.get("weir_process_exits_total")!.samples[0]!.value, 1);
});

Deno.test("readyz turns with the supervisor's state while livez stays, and gives the reasons", async () => {
  await using fake = await startBusy();
  assert.deepEqual([(await get(fake, "/readyz")).status, (await get(fake, "/readyz")).text], [200, "ok\n"]);
  await fake.tell({ ready: false, phase: "draining", notReady: ["the service is stopping"] });
  const answer = await get(fake, "/readyz");
  assert.deepEqual([answer.status, answer.text], [503, "not ok\nthe service is stopping\n"]);
  assert.equal((await get(fake, "/livez")).status, 200);
  assert.equal((await get(fake, "/healthz")).status, 200);
  assert.match((await get(fake, "/")).text, /bad +Not ready: the service is stopping/);
  await fake.tell({ children: [childStatus({ state: "hung" })] });
  assert.equal((await get(fake, "/healthz")).status, 503);
  assert.equal((await get(fake, "/livez")).status, 200);
  await fake.tell({ ready: true, phase: "running", notReady: [], children: [childStatus()] });
  assert.equal((await get(fake, "/readyz")).status, 200);
  assert.equal((await get(fake, "/healthz")).status, 200);
});
