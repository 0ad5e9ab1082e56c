/** A record as a line of JSON, for people and for other programs. */
import type { SpoolRecord } from "./contract.ts";

const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * `{"lane":…,"sequence":…,"time":…,"key":…,"headers":…,"value":…}`. `value` is the JSON that the record holds, as it is
 * written there; a record that holds none has `text` instead, and one of bytes `base64`. A key of bytes is `keyBase64`.
 */
export function recordLine(record: SpoolRecord, place: { stream: string; lane: string }): string {
  const { sequence, timestamp, key, headers, value } = record;
  const head: Record<string, unknown> = { ...place, sequence, time: timeOf(timestamp) };
  if (key !== null) {
    const text = textOf(key);
    if (text === undefined) head.keyBase64 = key.toBase64();
    else head.key = text;
  }
  if (Object.keys(headers).length > 0) head.headers = headers;
  const text = textOf(value);
  if (text === undefined) head.base64 = value.toBase64();
  else if (!isJson(text)) head.text = text;
  // As it is written: numbers beyond doubles stay what they are. A line break is white space here, or it was no JSON.
  else return `${JSON.stringify(head).slice(0, -1)},"value":${text.replaceAll(/[\r\n]+/g, " ")}}`;
  return JSON.stringify(head);
}

/** RFC 3339; the number where that is no date. */
export function timeOf(epochMs: number): string | number {
  return Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : epochMs;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
