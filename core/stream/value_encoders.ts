/**
 * How the value of a record becomes bytes at its place in a buffer: json (RFC 8259, UTF-8), msgpack (its timestamps as
 * Date), raw (bytes and texts as they are). A value is made before anything is written, so that one that cannot be encoded
 * leaves no traces, and so that a `toJSON` may send records of its own.
 */
import { Buffer } from "node:buffer";
import type { StreamPlan } from "../manifest/plan.ts";

type CodecName = StreamPlan["codec"];

/** A value that is ready to be written. */
export type Prepared = string | Uint8Array;

/** Makes a value ready; throws TypeError where that cannot be done. */
export type PrepareValue = (record: unknown) => Prepared;

const encoder = new TextEncoder();
let encodeMsgpack: ((value: unknown) => Uint8Array) | undefined;

/** Loads what encoders of `codecs` need; once per process. */
export async function loadEncoders(codecs: Iterable<CodecName>): Promise<void> {
  for (const codec of codecs) {
    if (codec !== "msgpack" || encodeMsgpack) continue;
    const { encode } = await import("@msgpack/msgpack");
    encodeMsgpack = (value) => encode(value, { ignoreUndefined: true });
  }
}

/** Throws TypeError for msgpack before {@link loadEncoders}. */
export function encoderOf(codec: CodecName): PrepareValue {
  if (codec === "msgpack" && !encodeMsgpack) throw new TypeError("Cannot encode msgpack: it is not loaded");
  return codec === "json" ? prepareJson : codec === "msgpack" ? prepareMsgpack : prepareRaw;
}

/** Bytes that it takes; counts every character of a text. */
export function bytesOf(value: Prepared): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value.length;
}

/** Writes to `bytes` from `at` on; returns how many bytes, or -1 where there is no room. */
export function writeValue(value: Prepared, bytes: Uint8Array, at: number): number {
  if (typeof value !== "string") {
    if (value.length > bytes.length - at) return -1;
    bytes.set(value, at);
    return value.length;
  }
  if (value.length > bytes.length - at) return -1;
  const { read, written } = encoder.encodeInto(value, bytes.subarray(at));
  return read === value.length ? written : -1;
}

function prepareJson(record: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(record);
  } catch (error) {
    throw new TypeError(`Cannot send a record as JSON: ${messageOf(error)}`, { cause: error });
  }
  if (text === undefined) throw new TypeError(`Cannot send a record as JSON: it is ${kindOf(record)}`);
  return text;
}

function prepareMsgpack(record: unknown): Uint8Array {
  if (record === undefined) throw new TypeError("Cannot send a record as msgpack: it is undefined");
  try {
    return encodeMsgpack!(record);
  } catch (error) {
    throw new TypeError(`Cannot send a record as msgpack: ${messageOf(error)}`, { cause: error });
  }
}

function prepareRaw(record: unknown): Prepared {
  if (typeof record === "string" || record instanceof Uint8Array) return record;
  throw new TypeError(`Cannot send ${kindOf(record)} as raw bytes: a Uint8Array or a string is`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "undefined" ? "undefined" : `a value of type ${typeof value}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
