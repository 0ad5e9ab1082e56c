/**
 * Times in log lines, cheaply: the second is formatted once and kept, milliseconds and microseconds come from a table.
 */

const threeDigits: readonly string[] = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0"));

let knownSecond = NaN;
let knownText = "";

/** `epochMs` as `2026-01-31T12:00:00.123Z`. */
export function timestamp(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== knownSecond) {
    knownText = new Date(second * 1000).toISOString().slice(0, 19) + ".";
    knownSecond = second;
  }
  return knownText + threeDigits[Math.floor(epochMs - second * 1000)]! + "Z";
}

/** Milliseconds with three decimals, as JSON; `null` for a phase that was not reached (NaN or negative). */
export function milliseconds(durationMs: number): string {
  // not (>= 0) also catches NaN
  if (!(durationMs >= 0)) return "null";
  if (durationMs > 2_000_000) return durationMs === Infinity ? "null" : durationMs.toFixed(3);
  const micros = (durationMs * 1000 + 0.5) | 0;
  const whole = (micros / 1000) | 0;
  return whole + "." + threeDigits[micros - whole * 1000]!;
}
