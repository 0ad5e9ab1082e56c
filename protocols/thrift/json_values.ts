/** Values of Thrift as JSON, for people and scripts: both ways, nothing is lost. */
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { UsageError } from "../../core/cli/command.ts";

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

/** Arguments by name. Throws UsageError for what is no JSON object. */
export function parseArgs(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = (JSON.parse as (text: string, reviver: Reviver) => unknown)(json, revive);
  } catch (error) {
    throw new UsageError(`the arguments are no JSON: ${(error as Error).message}`);
  }
  if (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  ) {
    return value as Record<string, unknown>;
  }
  throw new UsageError('the arguments must be a JSON object: {"name": value, …}');
}

/** Integers keep all their digits, `{ base64 }` becomes bytes. */
function revive(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value === "number") {
    return source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(value)
      ? BigInt(source)
      : value;
  }
  if (typeof value !== "object" || value === null || Object.keys(value).join() !== "base64") return value;
  const { base64 } = value as { base64: unknown };
  if (typeof base64 === "string") return decodeBase64(base64);
  return value;
}

/** `value` as JSON, on several lines for people. */
export function replyText(value: unknown, human: boolean): string {
  return JSON.stringify(value === undefined ? null : value, replace, human ? 2 : undefined);
}

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function replace(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return rawJSON(`${value}`);
  // JSON has no such numbers.
  if (typeof value === "number" && !Number.isFinite(value)) return `${value}`;
  if (value instanceof Uint8Array) return { base64: encodeBase64(value) };
  if (value instanceof Set) return [...value];
  if (!(value instanceof Map)) return value;
  const plain = [...value.keys()].every((key) => typeof key !== "object");
  return plain ? Object.fromEntries([...value].map(([key, one]) => [String(key), one])) : [...value];
}
