/**
 * What a refused request gets: `{"error": "queue_full", "retryAfterMs": 100}`, encoded as the listener's messages are;
 * with codec raw the reason alone, as text.
 */
import type { Refusal } from "../../core/errors.ts";
import { type Reason, reasons } from "../../core/reasons.ts";
import type { Codec } from "../codec/codec.ts";

/** See the module's header. */
export interface RefusalReply {
  readonly error: Reason;
  readonly retryAfterMs: number;
}

export function refusalParts({ reason, retryAfterMs }: Refusal, codec: Codec): Uint8Array[] {
  if (codec.name === "raw") return [codec.encode(reason)];
  return [codec.encode({ error: reason, retryAfterMs } satisfies RefusalReply)];
}

/** Whether a reply is one; never with codec raw, whose replies nobody can tell apart. */
export function isRefusal(value: unknown): value is RefusalReply {
  if (typeof value !== "object" || value === null) return false;
  const { error, retryAfterMs } = value as Partial<RefusalReply>;
  return typeof error === "string" && Object.hasOwn(reasons, error) && typeof retryAfterMs === "number" &&
    Object.keys(value).length === 2;
}
