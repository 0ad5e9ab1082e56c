/**
 * Values as people read them: `1.5 GiB`, `3h 12m`, `12.4 ms`, `▁▂▇`. Stands under the HTML and text renderers; JSON
 * never comes through here.
 */

import { type Cell, type Format } from "./document.ts";

const none = "–";
const ticks = "▁▂▃▄▅▆▇█";

/** The text of a cell; `as` is the column's format, used where the cell names none. */
export function formatCell(cell: Cell, as?: Format): string {
  const { value } = cell;
  if (value === null || value === "") return none;
  if (Array.isArray(value)) return sparkText(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  return formatNumber(value as number, cell.as ?? as ?? "count");
}

/** A number in the unit its format says. */
export function formatNumber(value: number, as: Format): string {
  if (!Number.isFinite(value)) return none;
  if (as === "bytes") return formatBytes(value);
  if (as === "duration") return formatDuration(value);
  if (as === "rate") return `${formatCount(value)}/s`;
  if (as === "share") return `${formatCount(value * 100)} %`;
  if (as === "time") return value === 0 ? none : formatTime(value);
  if (as === "code") return String(value);
  return formatCount(value);
}

/** Whole numbers with thousands apart; others with three figures. */
export function formatCount(value: number): string {
  if (Number.isInteger(value)) return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  const size = Math.abs(value);
  if (size >= 100) return formatCount(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** `640 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = bytes;
  for (; Math.abs(size) >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${size >= 100 || unit === 0 ? Math.round(size) : Number(size.toPrecision(3))} ${units[unit]}`;
}

/** `250 µs`, `12.4 ms`, `3.2 s`, `4m 10s`, `3h 12m`, `12d 4h`. */
export function formatDuration(ms: number): string {
  const size = Math.abs(ms);
  if (size === 0) return "0 ms";
  if (size < 0.9995) return `${Number((ms * 1000).toPrecision(3))} µs`;
  if (size < 999.5) return `${Number(ms.toPrecision(3))} ms`;
  if (size < 59_950) return `${Number((ms / 1000).toPrecision(3))} s`;
  const seconds = Math.round(size / 1000);
  const sign = ms < 0 ? "-" : "";
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  if (seconds < 86_400) return `${sign}${Math.floor(seconds / 3600)}h ${Math.floor(seconds / 60) % 60}m`;
  return `${sign}${Math.floor(seconds / 86_400)}d ${Math.floor(seconds / 3600) % 24}h`;
}

/** UTC, to the second: `2026-02-03 04:05:06Z`. */
export function formatTime(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? none : date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "Z");
}

/** Numbers over time as one line of blocks, scaled to the largest. */
export function sparkText(values: readonly number[]): string {
  if (values.length === 0) return none;
  const top = Math.max(0, ...values);
  if (top === 0) return ticks[0]!.repeat(values.length);
  return values.map((value) => value <= 0 ? ticks[0] : ticks[Math.max(1, Math.ceil(value / top * 8) - 1)])
    .join("");
}

/** Whether a format is read by comparing digits, and so stands right-aligned. */
export function isNumeric(as: Format | undefined): boolean {
  return as === "count" || as === "bytes" || as === "duration" || as === "rate" || as === "share";
}
