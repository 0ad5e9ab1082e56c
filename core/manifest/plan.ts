/**
 * The Plan: the manifest validated, with all defaults filled in and every value in its normal form. Durations
 * are milliseconds, sizes bytes, rates per second, shares fractions of one, paths absolute. Pure JSON, frozen;
 * the only thing a child process gets.
 *
 * Types only: importing this loads nothing, neither the schema library nor the YAML parser.
 */
import type { z } from "zod";
import type { manifest } from "./schema.ts";

type Declared = z.output<typeof manifest>;

export type { HandlerPlan } from "./terms_path.ts";
export type { Address, ZmqAddress } from "./terms_address.ts";

/** What a service is, completely. */
export interface Plan extends Declared {
  /** Absolute path of the manifest; `null` when it was given as an object or as text without a name. */
  file: string | null;
  /** Absolute folder that relative paths were resolved against. */
  directory: string;
  /** Paths in this Plan whose values are secret: `meta.token`. Every dump must hide them (`redactPlan`). */
  secrets: string[];
}

/** One listener; `protocol` tells them apart. */
export type ListenerPlan = Declared["listeners"][string];
export type HttpListenerPlan = Extract<ListenerPlan, { protocol: "http" }>;
export type ThriftListenerPlan = Extract<ListenerPlan, { protocol: "thrift" }>;
export type FramesListenerPlan = Extract<ListenerPlan, { protocol: "frames" }>;
export type ZmqListenerPlan = Extract<ListenerPlan, { protocol: "zmq" }>;
export type KafkaListenerPlan = Extract<ListenerPlan, { protocol: "kafka" }>;

export type RoutePlan = HttpListenerPlan["routes"][number];
export type HttpLimitsPlan = HttpListenerPlan["limits"];
export type FramingPlan = FramesListenerPlan["framing"];
/** Timers and limits of connections; the same for every listener that accepts. */
export type AcceptPlan = HttpListenerPlan["accept"];
export type AdmitPlan = HttpListenerPlan["admit"];
export type TlsPlan = NonNullable<HttpListenerPlan["tls"]>;
export type AccessPlan = NonNullable<HttpListenerPlan["access"]>;
export type RatePlan = NonNullable<HttpListenerPlan["rate"]>;
export type WorkersPlan = Declared["workers"];
export type PoolPlan = Declared["pools"][string];
export type UpstreamPlan = Declared["upstreams"][string];
export type StreamPlan = Declared["streams"][string];
export type LoopPlan = Declared["loops"][string];
export type LogsPlan = Declared["logs"];
export type SinkPlan = LogsPlan["sinks"][string];
export type LogRoutePlan = LogsPlan["routes"][number];
export type GovernancePlan = NonNullable<Declared["governance"]>;
export type TelemetryPlan = NonNullable<Declared["telemetry"]>;
/** `Plan.meta` is `null` where the manifest says `meta: false`. */
export type MetaPlan = NonNullable<Declared["meta"]>;
