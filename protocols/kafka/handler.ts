/**
 * What a handler module exports for kafka: `(record, ctx) => void`, or with `batch` above 1 `(records, ctx) => void`, the
 * records of one partition in their order. When it has returned, or its promise is resolved, its records are done.
 */
import type { Context } from "../../core/context.ts";
import type { Service } from "../../core/service.ts";
import type { Job } from "./job.ts";
import type { KafkaRecord } from "./record.ts";

/** With `batch: 1`. */
export type KafkaHandler<Value = unknown> = (record: KafkaRecord<Value>, context: Context) => unknown;
/** With `batch` above 1. */
export type KafkaBatchHandler<Value = unknown> = (
  records: ReadonlyArray<KafkaRecord<Value>>,
  context: Context,
) => unknown;

/** A handler of either kind. */
export type AnyKafkaHandler = (input: unknown, context: Context) => unknown;

/** Throws TypeError unless `loaded`, which `place` exports, is a handler. */
export function handlerOf(loaded: unknown, place: string): AnyKafkaHandler {
  if (typeof loaded === "function") return loaded as AnyKafkaHandler;
  throw new TypeError(`Cannot serve kafka with ${place}: wanted is a function (record, ctx) => void`);
}

/** The handler as the listener's stack calls it; what it throws is kept as the cause. */
export function serviceOf(handler: AnyKafkaHandler): Service<Job, undefined> {
  return (job, context) => {
    let returned: unknown;
    try {
      returned = handler(job.input, context);
    } catch (error) {
      job.error = error;
      throw error;
    }
    if (!isPromise(returned)) return undefined;
    return returned.then(nothing, (error) => {
      job.error = error;
      throw error;
    });
  };
}

function nothing(): undefined {
  return undefined;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === "function";
}
