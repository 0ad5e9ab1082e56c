/** Sinks as a manifest would have them, to brokers that are named `host:port`. */
import type { Log } from "../../../core/context.ts";
import type { StreamPlan } from "../../../core/manifest/plan.ts";
import type { Sink } from "../../../core/stream/contract.ts";
import { makeKafkaSink } from "../producer.ts";

export type KafkaPlan = NonNullable<StreamPlan["kafka"]>;

/** A log on which nothing may be written. */
export const silent = new Proxy({}, {
  get: (_target, name) => () => {
    throw new Error(`${String(name)}() of the log was called`);
  },
}) as Log;

/** To the topic `t` unless `plan` says otherwise: idempotent, not compressed. */
export function sinkOf(brokers: readonly string[], plan: Partial<KafkaPlan>, timeoutMs = 30_000): Sink {
  const kafka: KafkaPlan = {
    brokers: brokers.map((broker) => {
      const [hostname, port] = broker.split(":");
      return { transport: "tcp" as const, hostname: hostname!, port: Number(port) };
    }),
    ...{ topic: "t", acks: "all", compression: "none", idempotent: true, tls: null, sasl: null },
    ...plan,
  };
  return makeKafkaSink({ name: "test", plan: { kafka } as StreamPlan, timeoutMs, log: silent });
}
