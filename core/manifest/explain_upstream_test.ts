import assert from "node:assert/strict";
import { compile } from "./compile.ts";
import { explain, renderExplanation } from "./explain.ts";
import { type StackPart, upstreamStack } from "./explain_upstream.ts";
import type { UpstreamPlan } from "./plan.ts";
import { compileValid, validOptions } from "./valid_manifests.ts";

const order = [
  "deadline",
  "throttle",
  "retry",
  "hedge",
  "breaker",
  "health",
  "balancer",
  "attempt",
  "pool",
  "connect",
  "session",
  "fallback",
];

function planOf(more: object): UpstreamPlan {
  const { plan, diagnostics } = compile({
    service: "a",
    loops: { a: { handler: "./a.ts", every: "1s" } },
    upstreams: { u: { protocol: "http", discover: { static: ["10.0.0.1:80"] }, ...more } },
  }, { ...validOptions, stat: () => "file" });
  assert.deepEqual(diagnostics, []);
  return plan!.upstreams.u!;
}

function values(part: StackPart | undefined): Record<string, string> {
  return Object.fromEntries(part!.values.map(({ path, text }) => [path, text]));
}

Deno.test("upstreamStack() lists the parts in request order, each with its reason", () => {
  const full = upstreamStack(compileValid("reference.yaml").plan!.upstreams.users!);
  const small = upstreamStack(planOf({}));
  for (const stack of [full, small]) {
    assert.deepEqual(stack.map(({ name }) => name), order);
    for (const { why } of stack) assert.ok(why.length > 20 && why.endsWith("."), why);
  }
  assert.ok(full.every(({ on }) => on));
  const off = small.filter(({ on }) => !on);
  assert.deepEqual(off.map(({ name }) => name), ["throttle", "hedge", "breaker", "fallback"]);
  const retry = small.find(({ name }) => name === "retry")!;
  assert.deepEqual([retry.values, /2 attempts, budget 20%/.test(retry.note)], [[], true]);
  for (const { name, note, values } of off) assert.ok(note !== "" && values.length === 0, name);
});

Deno.test("upstreamStack() writes numbers as a manifest does, and only those that are in force", () => {
  const named = (plan: UpstreamPlan) => new Map(upstreamStack(plan).map((part) => [part.name, part]));
  const full = named(compileValid("reference.yaml").plan!.upstreams.users!);
  assert.deepEqual(values(full.get("retry")), {
    "retry.attempts": "2",
    "retry.on": "connect, refused, 502, 503",
    "retry.budget": "20%",
    "retry.backoff": "25ms",
  });
  assert.equal(values(full.get("hedge"))["hedge.after"], "p99");
  assert.equal(full.get("connect")!.note, "TLS");
  const hashed = named(
    planOf({ balance: { ringHash: { key: "header:x-user" } }, hedge: { after: "p99.9" } }),
  );
  assert.equal(values(hashed.get("balancer")).balance, "ringHash by header:x-user");
  assert.equal(values(hashed.get("hedge"))["hedge.after"], "p99.9");
  const bare = named(planOf({ health: { eject: false } }));
  assert.deepEqual(values(bare.get("health")), { "health.slowStart": "10s", "health.panic": "50%" });
  assert.equal(bare.get("health")!.note, "no probes, no ejection");
  const redis = named(
    planOf({ protocol: "redis", redis: { database: 3, password: "hush" }, health: { probe: {} } }),
  );
  assert.deepEqual(values(redis.get("session")), {
    "protocol": "redis",
    "redis.database": "3",
    "limits.reply": "64MiB",
  });
  assert.ok(!("health.probe.path" in values(redis.get("health"))));
  assert.ok(!JSON.stringify([...redis.values()]).includes("hush"));
});

Deno.test("explain() of an upstream shows its stack, and where each number came from", () => {
  const found = explain(compileValid("reference.yaml"), "upstreams.users");
  assert.ok(found.found && found.stack);
  const pool = found.stack.find(({ name }) => name === "pool")!;
  const lines = pool.values.map(({ path, text, source }) => `${path} ${text} ${source?.line ?? "default"}`);
  assert.deepEqual(lines, [
    "pool.connections 8 109",
    "pool.pipeline 1 109",
    "pool.waiters 1024 default",
    "pool.wait 100ms 109",
    "pool.warm 1 109",
    "pool.idle 1m 109",
    "pool.age 10m 109",
    "pool.heartbeat 25s default",
  ]);
  const ca = found.stack.flatMap((part) => part.values).find(({ path }) => path === "tls.ca");
  assert.deepEqual([ca?.text, ca?.source?.line], ["./files/ca.pem", 121]);
  const text = renderExplanation(found);
  const heads = [...text.matchAll(/^\d+\. (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(heads, order);
  assert.match(text, /^ {5}retry\.on +connect, refused, 502, 503 +reference\.yaml:116$/m);
});

Deno.test("explain() shows a stack of nothing but one whole upstream", () => {
  const result = compileValid("reference.yaml");
  for (const path of ["", "upstreams", "upstreams.users.pool", "listeners.api", "streams.decisions"]) {
    const found = explain(result, path);
    assert.ok(found.found && !("stack" in found), path);
  }
});

Deno.test("explain_upstream.ts names only keys that upstreams have", () => {
  for (const name of ["reference.yaml", "upstreams.yaml"]) {
    const result = compileValid(name);
    for (const [upstream, plan] of Object.entries(result.plan!.upstreams)) {
      for (const { path } of upstreamStack(plan).flatMap((part) => part.values)) {
        assert.ok(explain(result, `upstreams.${upstream}.${path}`).found, `${upstream}.${path}`);
      }
    }
  }
});
