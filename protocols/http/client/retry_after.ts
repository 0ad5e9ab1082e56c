/** Retry-After (RFC 9110 section 10.2.3): seconds, or a date. */
import type { FlatHeaders } from "./message.ts";

/** ms from `epochMs` until the upstream wants to be asked again; 0 where it does not say. */
export function retryAfterMs(headers: FlatHeaders, epochMs: number): number {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== "retry-after") continue;
    const value = headers[i + 1]!;
    if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
    const date = /^[A-Z][a-z]{2,8}[, ]/.test(value) ? Date.parse(value) : NaN;
    return date > epochMs ? date - epochMs : 0;
  }
  return 0;
}
