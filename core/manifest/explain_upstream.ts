/**
 * What a call to an upstream goes through, in request order, with the numbers in force and the reason why each part
 * stands where it stands. `explain` and the meta pages show this one table. Loads neither the schema library nor the YAML
 * parser: it reads a plan.
 */
import type { UpstreamPlan } from "./plan.ts";
import { formatQuantity, type Unit } from "./unit.ts";

/** One number of a part. */
export interface StackValue {
  /** Its place below the upstream: `retry.budget`. */
  path: string;
  /** As a manifest would say it: `20%`. */
  text: string;
}

/** One part of the stack of an upstream. */
export interface StackPart {
  /** `deadline`, `throttle`, … */
  name: string;
  /** False where the manifest leaves it out. */
  on: boolean;
  /** What that means for a call; empty where the numbers say it. */
  note: string;
  values: StackValue[];
  /** Why it stands there, one or two sentences. */
  why: string;
}

interface Row {
  name: string;
  why: string;
  /** The key that it needs; without one it is always there. */
  needs?: string;
  /** What is true without that key. */
  without?: string;
  values: readonly (readonly [path: string, unit?: Unit])[];
  note?(plan: UpstreamPlan): string;
}

/** In request order. */
const rows: readonly Row[] = [
  {
    name: "deadline",
    why:
      "Outermost: waits, pauses and further attempts all count. The deadline of the request that calls ends it earlier.",
    values: [["timeouts.total", "duration"]],
  },
  {
    name: "throttle",
    why:
      "Before anything is spent: who would only add to a crowd waits here for a moment, or is refused at once.",
    needs: "throttle",
    without: "as many calls at once as come",
    values: [["throttle.concurrency"], ["throttle.queue"], ["throttle.wait", "duration"]],
    note: () => "per worker",
  },
  {
    name: "retry",
    why:
      "Around all that can fail, so that each attempt chooses its endpoint anew. The budget keeps retries from multiplying an outage.",
    values: [["retry.attempts"], ["retry.on"], ["retry.budget", "share"], ["retry.backoff", "duration"]],
    // The numbers of a manifest without `retry` are the policy's own.
    note: ({ retry }) =>
      retry === null
        ? "not declared, so only what could not connect: 2 attempts, budget 20%, backoff 25ms"
        : "once bytes were sent only calls that may be repeated",
  },
  {
    name: "hedge",
    why: "Beside the first attempt: a slow endpoint is not waited for where another may answer sooner.",
    needs: "hedge",
    without: "no second attempt beside the first",
    values: [["hedge.after", "duration"], ["hedge.budget", "share"]],
    note: () => "only calls that may be repeated",
  },
  {
    name: "breaker",
    why:
      "For each attempt: what has been failing is left alone, and a few probes find out when it is well again.",
    needs: "breaker",
    without: "failing calls go on",
    values: [
      ["breaker.per"],
      ["breaker.failures", "share"],
      ["breaker.minimum"],
      ["breaker.window", "duration"],
      ["breaker.open", "duration"],
      ["breaker.probes"],
    ],
    note: () => "shared by the workers of this host",
  },
  {
    name: "health",
    why:
      "Takes endpoints out of the choice that fail or say that they are ill, but never so many that the rest breaks down.",
    values: [
      ["health.probe.path"],
      ["health.probe.every", "duration"],
      ["health.probe.timeout", "duration"],
      ["health.probe.rise"],
      ["health.probe.fall"],
      ["health.eject.consecutive"],
      ["health.eject.base", "duration"],
      ["health.eject.max", "duration"],
      ["health.eject.share", "share"],
      ["health.slowStart", "duration"],
      ["health.panic", "share"],
    ],
    note: ({ health }) =>
      [health.probe === null ? "no probes" : "", health.eject === null ? "no ejection" : ""]
        .filter(Boolean).join(", "),
  },
  {
    name: "balancer",
    why:
      "Chooses one of the usable endpoints of the lowest priority number, and another one for a further attempt.",
    values: [["balance"]],
  },
  {
    name: "attempt",
    why: "Bounds one attempt, the wait for a connection included, so that time is left for another one.",
    values: [["timeouts.attempt", "duration"]],
  },
  {
    name: "pool",
    why:
      "Connections to the chosen endpoint are kept and reused. A full pool means a slow endpoint, so its wait is short.",
    values: [
      ["pool.connections"],
      ["pool.pipeline"],
      ["pool.waiters"],
      ["pool.wait", "duration"],
      ["pool.warm"],
      ["pool.idle", "duration"],
      ["pool.age", "duration"],
      ["pool.heartbeat", "duration"],
    ],
    note: () => "per endpoint and worker",
  },
  {
    name: "connect",
    why: "Only where no connection is free and one more may be opened; handshakes count.",
    values: [["timeouts.connect", "duration"], ["tls.serverName"], ["tls.ca"], ["tls.cert"]],
    note: ({ tls }) => tls === null ? "without TLS" : "TLS",
  },
  {
    name: "session",
    why:
      "Speaks the protocol on one connection. A reply that breaks its rules or its limits ends the connection.",
    values: [
      ["protocol"],
      ["http2"],
      ["framing.max", "size"],
      ["pattern"],
      ["redis.database"],
      ["limits.head", "size"],
      ["limits.reply", "size"],
    ],
  },
  {
    name: "fallback",
    why:
      "Last, and only while nothing was sent: the call goes through the stack of the other upstream with the time that is left.",
    needs: "fallback",
    without: "where no endpoint is usable the call fails",
    values: [["fallback"]],
  },
];

/** Keys that mean nothing to the other protocols. */
const ownKeys: Readonly<Record<string, UpstreamPlan["protocol"]>> = {
  "http2": "http",
  "limits.head": "http",
  "health.probe.path": "http",
  "pattern": "frames",
  "framing.max": "frames",
  "redis.database": "redis",
};

/** The stack of an upstream, outermost part first. */
export function upstreamStack(plan: UpstreamPlan): StackPart[] {
  return rows.map(({ name, why, needs, without, values, note }) => {
    const on = needs === undefined || valueAt(plan, needs) !== null;
    return {
      name,
      on,
      note: on ? note?.(plan) ?? "" : without ?? "",
      values: on ? values.flatMap(([path, unit]) => stackValue(plan, path, unit)) : [],
      why,
    };
  });
}

function stackValue(plan: UpstreamPlan, path: string, unit: Unit | undefined): StackValue[] {
  const value = valueAt(plan, path);
  const foreign = Object.hasOwn(ownKeys, path) && ownKeys[path] !== plan.protocol;
  return value === null || foreign ? [] : [{ path, text: textOf(value, unit) }];
}

/** null where the value, or what is around it, is not set. */
function valueAt(plan: UpstreamPlan, path: string): unknown {
  let value: unknown = plan;
  for (const part of path.split(".")) {
    if (typeof value !== "object" || value === null) return null;
    value = (value as Record<string, unknown>)[part] ?? null;
  }
  return value;
}

function textOf(value: unknown, unit: Unit | undefined): string {
  if (typeof value === "number") return unit === undefined ? String(value) : formatQuantity(unit, value);
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value !== "object" || value === null) return String(value);
  if ("percentile" in value) return `p${Number((Number(value.percentile) * 100).toFixed(6))}`;
  return "ringHash" in value
    ? `ringHash by ${(value.ringHash as { key: string }).key}`
    : JSON.stringify(value);
}
