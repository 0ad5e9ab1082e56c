import assert from "node:assert/strict";
import { compile } from "./compile.ts";
import { diffPlans } from "./diff_plans.ts";
import { explain, type ExplainedValue, renderExplanation } from "./explain.ts";
import { formatDiagnostic, formatDiagnostics } from "./format_diagnostic.ts";
import { redactPlan } from "./redact_plan.ts";
import { unavailable } from "./unavailable.ts";
import { compileValid, validFiles, validOptions } from "./valid_manifests.ts";

function values(name: string, path: string): ExplainedValue[] {
  const found = explain(compileValid(name), path);
  assert.ok(found.found, JSON.stringify(found));
  return found.values;
}

Deno.test("explain() says of every value what it is and where it came from", () => {
  const lines = renderExplanation(explain(compileValid("environment.yaml"), "listeners.web.admit")).split(
    "\n",
  );
  assert.deepEqual(lines.map((line) => line.split(/  +/)), [
    ["listeners.web.admit.concurrency", "1024", "default"],
    ["listeners.web.admit.queue", "64", "environment.yaml:13 from ${QUEUE}"],
    ["listeners.web.admit.wait", "50ms", "environment.yaml:13 from ${WAIT}"],
  ]);
});

Deno.test("explain() follows merge keys to the anchor that the value came from", () => {
  const [a] = values("anchors.yaml", "listeners.a.deadline");
  assert.deepEqual(a, {
    path: "listeners.a.deadline",
    value: 90_000,
    text: "1m30s",
    source: { file: "anchors.yaml", line: 5, column: 13 },
    variables: [],
  });
  const [b] = values("anchors.yaml", "listeners.b.deadline");
  assert.equal(b.source?.line, 19);
});

Deno.test("explain() writes addresses, handlers, sizes and shares as a manifest does", () => {
  assert.deepEqual(values("anchors.yaml", "listeners.a.listen").map(({ text }) => text), [
    "127.0.0.1:8081",
    "[::1]:8081",
    "unix:./a.sock",
  ]);
  assert.equal(values("anchors.yaml", "listeners.a.listen[2]")[0].text, "unix:./a.sock");
  assert.equal(values("anchors.yaml", "listeners.a.handler")[0].text, "./files/handler.ts#serve");
  assert.equal(values("frames.yaml", "listeners.prefixed.framing.max")[0].text, "16MiB");
  assert.equal(values("upstreams.yaml", "upstreams.a.health.panic")[0].text, "0");
  assert.equal(values("routes.yaml", "listeners.web.rate.limit")[0].text, "10/s");
});

Deno.test("explain() hides secrets", () => {
  const [token] = values("routes.yaml", "meta.token");
  assert.deepEqual([token.value, token.text], ["[redacted]", "[redacted]"]);
});

Deno.test("explain() proposes the part that was meant", () => {
  const result = compileValid("hello.yaml");
  assert.equal(
    renderExplanation(explain(result, "listeners.web.deadlien")),
    "there is no `deadlien` in `listeners.web`; did you mean `listeners.web.deadline`?",
  );
  const none = explain(result, "listeners.other.deadline");
  assert.equal(renderExplanation(none), "there is no `other` in `listeners`; it has `web`");
});

Deno.test("explain() explains every part of every valid manifest", () => {
  for (const name of validFiles()) {
    const all = values(name, "");
    assert.ok(all.length > 40, name);
    assert.ok(all.some(({ source }) => source === null) && all.some(({ source }) => source !== null), name);
    for (const one of all) assert.deepEqual(values(name, one.path)[0], one);
  }
});

Deno.test("redactPlan() hides every secret and passwords in URLs, and nothing else", () => {
  const plan = compileValid("reference.yaml").plan!;
  const text = JSON.stringify(redactPlan(plan));
  assert.ok(!/curve-secret|hmac-secret/.test(text));
  assert.deepEqual(redactPlan(plan).listeners.api, plan.listeners.api);
  assert.deepEqual(redactPlan(plan).upstreams, plan.upstreams);
  const { upstreams, secrets } = redactPlan(compileValid("upstreams.yaml").plan!);
  assert.equal(upstreams.c.redis.password, "[redacted]");
  assert.equal(upstreams.c.redis.username, "weir");
  assert.equal(upstreams.d.discover.etcd?.password, "[redacted]");
  assert.equal(upstreams.e.discover.zookeeper?.auth, "[redacted]");
  assert.ok(secrets.includes("upstreams.c.redis.password"));
  const otlp = compile({
    service: "a",
    loops: { a: { handler: "./a.ts", every: "1s" } },
    telemetry: { otlp: "https://user:hush@collector:4318" },
  }, { ...validOptions, stat: () => "file" }).plan!;
  assert.equal(redactPlan(otlp).telemetry?.otlp, "https://user:[redacted]@collector:4318");
});

Deno.test("diffPlans() lists what differs, with secrets hidden", () => {
  const base = {
    service: "a",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:1", handler: "./a.ts" } },
  };
  const make = (more: object) => compile({ ...base, ...more }, { ...validOptions, stat: () => "file" }).plan!;
  const before = make({ meta: { token: "one" }, pools: { old: { kind: "io" } } });
  const after = make({ meta: { token: "two" }, workers: { drain: "20s" } });
  const found = diffPlans(before, after);
  assert.deepEqual(found.map(({ path }) => path), ["workers.drain", "pools.old", "meta.token"]);
  assert.deepEqual(found[0], { path: "workers.drain", before: 15_000, after: 20_000 });
  assert.deepEqual(found[2], { path: "meta.token", before: "[redacted]", after: "[redacted], changed" });
  assert.deepEqual(diffPlans(before, make({ meta: { token: "one" }, pools: { old: { kind: "io" } } })), []);
});

Deno.test("unavailable() names each use of what cannot run yet, at its place", () => {
  const found = unavailable(compileValid("reference.yaml"));
  assert.deepEqual(found.map(({ line, message }) => `${line} ${message}`), [
    "43 `listeners.api.rate`: rate limits are not available yet",
    "158 `governance`: governance is not available yet",
    "165 `telemetry`: telemetry is not available yet",
  ]);
  const others = unavailable(compileValid("upstreams.yaml")).map(({ message }) => message);
  assert.deepEqual(others.filter((message) => message.includes("upstreams.")), [
    "`upstreams.f.discover.registry`: endpoints from governance.store are not available yet",
  ]);
  assert.deepEqual(others.filter((message) => message.includes("loops.")), [
    "`loops.elected.on`: loops of the leader are not available yet",
  ]);
  assert.deepEqual(unavailable(compileValid("hello.yaml")), []);
  assert.deepEqual(unavailable(compileValid("frames.yaml")), []);
});

Deno.test("formatDiagnostic() marks the text, keeps tabs, cuts long lines, and colours only when asked", () => {
  const [one] = compile(`service: a\nloops: { ${"x".repeat(200)}: 1, bad: 2 }`, validOptions).diagnostics
    .slice(-1);
  const [head, line, caret] = formatDiagnostic(one).split("\n");
  assert.ok(head.startsWith("manifest:2:") && line.length < 140);
  assert.equal(line.slice(caret.indexOf("^"), caret.lastIndexOf("^") + 1), "2");
  assert.ok(
    !formatDiagnostic(one).includes("\x1b") && formatDiagnostic(one, { color: true }).includes("\x1b[31m"),
  );
  assert.ok(formatDiagnostics([one, one]).endsWith("\n2 problems"));
});
