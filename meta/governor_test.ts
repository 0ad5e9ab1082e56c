/** The real governor as a child process, against a supervisor of the test. */

import assert from "node:assert/strict";
import type { ChannelMessage } from "../core/channel.ts";
import { endpoints } from "./endpoints.ts";
import { childStatus, exitRecord, type FakeSupervisor, startFake } from "./testdata/fake_supervisor.ts";
import { parsePrometheus } from "./testdata/parse_prometheus.ts";
import { writeFigures } from "./testdata/write_figures.ts";

const token = 'canary-7d1f<&"x';
const spinEntry = new URL("./testdata/spin.ts", import.meta.url).pathname;

interface Answer {
  status: number;
  headers: Headers;
  text: string;
  ms: number;
}

async function get(fake: FakeSupervisor, path: string, init: RequestInit = {}): Promise<Answer> {
  const began = performance.now();
  const response = await fetch(fake.base + path, { redirect: "manual", ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, ms: performance.now() - began };
}

/** A request as raw bytes: fetch would not send these headers. */
async function raw(fake: FakeSupervisor, head: string): Promise<string> {
  const { hostname, port } = new URL(fake.base);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(new TextEncoder().encode(head.replaceAll("\n", "\r\n") + "\r\n\r\n"));
  let text = "";
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(4096);
  for (let n = await conn.read(chunk); n !== null; n = await conn.read(chunk)) {
    text += decoder.decode(chunk.subarray(0, n));
  }
  return text;
}

async function startBusy(options: Parameters<typeof startFake>[0] = {}): Promise<FakeSupervisor> {
  const fake = await startFake({ meta: { token }, ...options });
  writeFigures(fake.memory, 0, 1);
  await fake.tell({
    children: [
      childStatus({ id: 1, slot: 0 }),
      childStatus({ role: "governor", id: 1, slot: 7, pid: fake.governorPid }),
    ],
    exits: [exitRecord({ id: 1, detail: `token was ${token}` })],
  });
  return fake;
}

/** Every GET path that exists. */
const paths = [
  ...endpoints.filter((one) => one.method === "GET" && one.paths === undefined).map((one) => one.path),
  "/listeners/api",
  "/listeners/lines",
];

function withFormat(path: string, format: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}format=${format}`;
}

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

/** Every POST, with fields it takes, and what the supervisor must get for it. */
const commands: [string, string, ChannelMessage][] = [
  ["/reload", "wait=1", { type: "reload", wait: true }],
  ["/reload", "wait=0", { type: "reload", wait: false }],
  ["/drain", "", { type: "drain" }],
  ["/workers/1/restart", "", { type: "restartWorker", id: 1 }],
  ["/logs/level", "logger=access.*&level=debug&ttl=90s", {
    type: "logLevel",
    logger: "access.*",
    level: "debug",
    ttlMs: 90_000,
  }],
  ["/logs/reopen", "", { type: "reopenLogs" }],
];
const form = { "content-type": "application/x-www-form-urlencoded" };

/** What the supervisor was asked to do. */
function asked(fake: FakeSupervisor): ChannelMessage[] {
  return fake.heard.filter(({ request }) => request !== undefined).map(({ request: _, ...message }) =>
    message
  );
}

Deno.test("governor forwards commands that carry the token, in a header or in a form", async () => {
  await using fake = await startBusy();
  for (const [path, fields, message] of commands) {
    const bearer = { ...form, authorization: `Bearer ${token}` };
    const answer = await get(fake, path, { method: "POST", body: fields, headers: bearer });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(asked(fake).at(-1), message);
    const body = new URLSearchParams(fields);
    body.set("token", token);
    assert.equal((await get(fake, path, { method: "POST", body, headers: form })).status, 200);
    assert.deepEqual(asked(fake).at(-1), message);
  }
  assert.equal(asked(fake).length, commands.length * 2);
});

Deno.test("governor changes nothing without the token, from another origin, or by GET", async () => {
  await using fake = await startBusy();
  const bearer = { authorization: `Bearer ${token}` };
  for (const [path, body] of commands) {
    const post = (headers: Record<string, string>) => get(fake, path, { method: "POST", body, headers });
    assert.equal((await post(form)).status, 401);
    assert.equal((await post({ ...form, authorization: "Bearer nearly" })).status, 401);
    assert.equal((await post({ ...form, authorization: `Basic ${btoa(`x:${token}`)}` })).status, 401);
    assert.equal((await post({ ...form, ...bearer, origin: "https://evil.example" })).status, 403);
    assert.equal(
      (await get(fake, `${path}?${body}`, { headers: bearer })).status,
      405,
    );
    assert.equal(
      (await get(fake, path, { method: "PUT", body, headers: { ...form, ...bearer } })).status,
      405,
    );
  }
  for (const path of paths) {
    await get(fake, path, { headers: bearer });
    assert.equal((await get(fake, path, { method: "POST", headers: bearer })).status, 405, path);
  }
  const wrong = [
    ["/logs/level", "logger=x&level=loud"],
    ["/logs/level", "logger=x&level=info&ttl=soon"],
    ["/logs/level", "logger=%00&level=info"],
    ["/workers/9/restart", ""],
    ["/workers/one/restart", ""],
  ] as const;
  for (const [path, body] of wrong) {
    const { status } = await get(fake, path, { method: "POST", body, headers: { ...form, ...bearer } });
    assert.ok(status === 400 || status === 404, `${path}?${body}: ${status}`);
  }
  const large = await get(fake, "/reload", {
    method: "POST",
    body: "x".repeat(65_537),
    headers: { ...form, ...bearer },
  });
  assert.equal(large.status, 413);
  assert.deepEqual(asked(fake), []);
});

Deno.test("governor passes on what the supervisor refuses", async () => {
  await using fake = await startBusy({
    answer: (message) =>
      message.type === "reload" ? new Error(`line 3: bad ${token}`) : { ok: false, message: "busy" },
  });
  const post = (path: string) =>
    get(fake, path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const reload = await post("/reload");
  assert.deepEqual([reload.status, reload.text], [502, "line 3: bad [redacted]\n"]);
  const drain = await post("/drain");
  assert.equal(drain.status, 502);
  assert.match(drain.text, /busy/);
});

Deno.test("governor refuses all writes when no token is set, and says what to do", async () => {
  await using fake = await startFake();
  const answer = await get(fake, "/drain", { method: "POST", headers: { authorization: "Bearer " } });
  assert.equal(answer.status, 403);
  assert.match(answer.text, /Set `meta\.token`/);
  assert.match((await get(fake, "/?format=html")).text, /Set meta\.token in the manifest/);
  assert.doesNotMatch((await get(fake, "/?format=html")).text, /method="post"/);
  assert.deepEqual(asked(fake), []);
});

Deno.test("governor does not answer for a Host that was rebound to it", async () => {
  await using fake = await startBusy();
  for (const path of ["/", "/livez", "/assets/meta.css", "/nowhere"]) {
    const answer = await raw(fake, `GET ${path} HTTP/1.1\nHost: evil.example\nConnection: close`);
    assert.match(answer, /^HTTP\/1\.1 421 /, path);
    assert.doesNotMatch(answer, /shop/);
  }
  assert.match(await raw(fake, "GET / HTTP/1.1\nHost: localhost:80\nConnection: close"), /^HTTP\/1\.1 200 /);
  assert.match(
    await raw(fake, "GET http://evil.example/ HTTP/1.1\nHost: localhost\nConnection: close"),
    /^HTTP\/1\.1 421 /,
  );
});

Deno.test("governor wants the token for everything when others can reach it", async () => {
  await using fake = await startFake({ meta: { listen: "0.0.0.0:0", token } });
  const local: FakeSupervisor = { ...fake, base: fake.base.replace("0.0.0.0", "127.0.0.1") };
  for (const path of ["/", "/livez", "/metrics", "/assets/meta.css", "/nowhere"]) {
    assert.equal((await get(local, path)).status, 401, path);
  }
  assert.equal((await get(local, "/", { headers: { authorization: `Bearer ${token}` } })).status, 200);
  assert.equal(
    (await get(local, "/", { headers: { authorization: `Basic ${btoa(`me:${token}`)}` } })).status,
    200,
  );
});

Deno.test("governor says failed and why when its port is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await using fake = await startFake({ meta: { listen: `127.0.0.1:${port}` } });
  const failed = fake.heard.find((message) => message.type === "failed")!;
  assert.match(
    String(failed.error),
    new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port} .*another process listens there`),
  );
  const { code, stdout } = await fake.ended;
  assert.equal(code, 1);
  assert.match(stdout, /another process listens there/);
});

Deno.test("governor listens on a unix socket of 0600 and replaces one that was left behind", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/meta.sock`;
  Deno.listen({ transport: "unix", path }).close();
  {
    await using fake = await startFake({ meta: { listen: `unix:${path}` } });
    assert.deepEqual(fake.heard[0]!.addresses, { meta: [`unix:${path}`] });
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const response = await fetch("http://localhost/livez", { client });
    assert.equal(await response.text(), "ok\n");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("governor shows statistics that come as snapshots", async () => {
  await using fake = await startBusy({ snapshots: true });
  const snapshot = writeFigures(fake.memory, 1, 2).snapshot();
  fake.channel.send({ type: "snapshot", slot: 1, bytes: btoa(String.fromCharCode(...snapshot)) });
  await fake.tell({});
  const data = JSON.parse((await get(fake, "/listeners/api?format=json")).text);
  assert.equal(data.requests.find((row: { reason: string }) => row.reason === "ok").total, 1200);
});

Deno.test("governor shows its own log lines, filtered, and takes secrets out of them", async () => {
  await using fake = await startBusy();
  await get(fake, "/logs/reopen", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const linesOf = async (query: string) => {
    const { lines } = JSON.parse((await get(fake, `/logs?format=json&${query}`)).text);
    return lines as { logger: string; message: string; fields: string; at: number }[];
  };
  let lines: Awaited<ReturnType<typeof linesOf>> = [];
  // Lines are written in batches: ask until it is there.
  for (let tries = 0; lines.length === 0 && tries < 500; tries++) {
    lines = await linesOf("logger=meta&text=REOPEN");
  }
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.message, "command");
  assert.match(lines[0]!.fields, /path=\/logs\/reopen/);
  assert.ok(Math.abs(lines[0]!.at - Date.now()) < 60_000);
  assert.deepEqual(await linesOf("logger=other.**"), []);
  assert.deepEqual(await linesOf("level=error"), []);
});

Deno.test("governor rotates a log file that is full and has all processes reopen it", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/access.log`;
  await Deno.writeTextFile(file, "x".repeat(2048));
  {
    const reopened = Promise.withResolvers<void>();
    const logs = { sinks: { access: { file, rotate: { size: "1KiB", keep: 2 } } } };
    await using _fake = await startFake({
      manifest: { logs },
      answer: (message) => message.type === "reopenLogs" ? reopened.resolve() : undefined,
    });
    await reopened.promise;
    assert.equal((await Deno.stat(`${file}.1`)).size, 2048);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("governor refuses a unix socket that another process listens on", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/meta.sock`;
  using _taken = Deno.listen({ transport: "unix", path });
  {
    await using fake = await startFake({ meta: { listen: `unix:${path}` } });
    assert.match(String(fake.heard[0]!.error), /another process listens there/);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("governor goes when its supervisor is gone, and drains when told", async () => {
  const gone = await startFake();
  gone.channel.close();
  assert.equal((await gone.ended).code, 1);
  await gone[Symbol.asyncDispose]();
  await using told = await startFake();
  told.channel.send({ type: "drain", keepAcceptingMs: 0, drainMs: 100, steer: null });
  assert.equal((await told.ended).code, 0);
  assert.ok(told.heard.some((message) => message.type === "drained"));
});

/** A worker that spins, with a private inspector. */
async function startSpinning(fake: FakeSupervisor, slot: number, id: number) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      "--inspect=127.0.0.1:0",
      "--inspect-publish-uid=stderr",
      spinEntry,
      `${fake.folder}/stats`,
      `${slot}`,
      `${id}`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const inspector = /ws:\/\/\S+/.exec(await readUntil(child.stderr, /ws:\/\/\S+\s/))![0];
  await readUntil(child.stdout, /spinning/);
  return { child, status: childStatus({ id, slot, pid: child.pid, inspector, state: "hung" }) };
}

async function readUntil(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (pattern.test(text)) return text;
  }
  throw new Error(`The stream ended without ${pattern}: ${text}`);
}

Deno.test("governor answers within 200 ms, and shows the stack, while the workers spin or are stopped", async () => {
  await using fake = await startFake({ meta: { token } });
  const spinning = await startSpinning(fake, 0, 1);
  const stopped = await startSpinning(fake, 1, 2);
  try {
    Deno.kill(stopped.child.pid, "SIGSTOP");
    await fake.tell({ children: [spinning.status, stopped.status] });
    await get(fake, "/");
    for (const path of paths.filter((path) => path !== "/stacks")) {
      // The machine has other work: the best of three tells what the page takes.
      const tries = [await get(fake, path), await get(fake, path), await get(fake, path)];
      const ms = Math.min(...tries.map((one) => one.ms));
      assert.ok(ms < 200, `${path} took ${ms} ms`);
    }
    const captured = await get(fake, "/stacks");
    assert.ok(captured.ms < 1_500, String(captured.ms));
    assert.match(captured.text, /spinForEver {2}file:.*spin\.ts:9:/);
    assert.match(captured.text, /GET \/users\/7/);
    assert.match(captured.text, /worker 2\n.*\n.*\n {2}(nothing ran|no answer) within 300 ms/);
    assert.match((await get(fake, "/")).text, /bad +worker 1 \(pid \d+\) hangs/);
    const answer = await fake.channel.request<{ frames: { function: string }[] }>(
      { type: "stack", inspector: spinning.status.inspector, timeoutMs: 1_000 },
      5_000,
    );
    assert.equal(answer.frames[0]!.function, "spinForEver");
  } finally {
    for (const { child } of [spinning, stopped]) {
      child.kill("SIGKILL");
      await Promise.all([child.stdout.cancel(), child.stderr.cancel()]).catch(() => {});
      await child.status;
    }
  }
});
