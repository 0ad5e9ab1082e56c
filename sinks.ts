/**
 * Where records of streams can go, by the key that names it in the manifest. For the shipper, which loads those that its
 * plan uses; workers load none. This list is the only registration there is.
 */
import type { MakeSink } from "./core/stream/contract.ts";
import { spoolSinks } from "./core/stream/spool_sinks.ts";

/** Loaders of everything that takes records. */
export const sinks: Readonly<Record<string, () => Promise<MakeSink>>> = {
  ...spoolSinks,
  kafka: async () => (await import("./protocols/kafka/producer.ts")).makeKafkaSink,
};
