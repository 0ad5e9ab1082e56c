/**
 * Locks with a time limit: `{ lock, owner, ttlMs }` is answered with `{ granted, owner, leftMs }`, `{ unlock, owner }` with
 * `{ released }`. To ask twice as the same owner is harmless, so that requests may be sent again.
 */
import type { ZmqMessage } from "../../mod.ts";

const mostLocks = 10_000;
const longestTtlMs = 60_000;

const locks = new Map<string, { owner: string; until: number }>();

interface Question {
  lock?: string;
  unlock?: string;
  owner?: string;
  ttlMs?: number;
}

/** `now` is for tests. */
export default function answer(
  message: Pick<ZmqMessage, "value">,
  _context?: unknown,
  now = Date.now(),
): unknown {
  const { lock, unlock, owner, ttlMs = 10_000 } = message.value as Question;
  if (typeof owner !== "string") return { error: "an owner is needed" };
  if (typeof unlock === "string") {
    const released = locks.get(unlock)?.owner === owner && locks.delete(unlock);
    return { released };
  }
  if (typeof lock !== "string" || !(ttlMs > 0 && ttlMs <= longestTtlMs)) return { error: "a lock is needed" };
  const held = locks.get(lock);
  if (held && held.owner !== owner && held.until > now) {
    return { granted: false, owner: held.owner, leftMs: held.until - now };
  }
  if (!held && locks.size >= mostLocks) forgetOld(now);
  if (!held && locks.size >= mostLocks) return { error: "too many locks" };
  locks.set(lock, { owner, until: now + ttlMs });
  return { granted: true, owner, leftMs: ttlMs };
}

function forgetOld(now: number): void {
  for (const [name, { until }] of locks) if (until <= now) locks.delete(name);
}
