/**
 * How long a process has been silent by the watcher's own monotonic clock: it looks at whether the number of heartbeats
 * moves, not at the time stamped on them, so setting the machine's clock makes nobody look dead.
 */
import type { Slot } from "./slot.ts";

/** Watches one slot; forgets everything when another process takes it. */
export class HeartbeatWatch {
  readonly #slot: Slot;
  #pid = 0;
  #beats = -1;
  #movedAt = 0;

  constructor(slot: Slot) {
    this.#slot = slot;
  }

  /** Milliseconds since the heartbeat was last seen to move; 0 at the first look. `now` is monotonic ms. */
  silentForMs(now: number): number {
    const { pid, beats } = this.#slot;
    if (pid !== this.#pid || beats !== this.#beats) {
      this.#pid = pid;
      this.#beats = beats;
      this.#movedAt = now;
    }
    return now - this.#movedAt;
  }
}
