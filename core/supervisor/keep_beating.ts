/** The heartbeat of a process that has no other clockwork: four beats before anybody calls it a hang. */
import type { SlotWriter } from "../stats/mod.ts";

/** Beats as long as the process lives; each beat says how late its timer came. `hangMs` is `workers.hang`. */
export function keepBeating(stats: SlotWriter, hangMs: number): void {
  const periodMs = Math.min(500, Math.max(25, hangMs / 4));
  let dueMs = performance.now() + periodMs;
  stats.beat();
  setInterval(() => {
    const now = performance.now();
    stats.beat(Math.max(0, now - dueMs));
    dueMs = now + periodMs;
  }, periodMs);
}
