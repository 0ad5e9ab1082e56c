/** A clock that stands still until it is told to go on. */
import type { Clock } from "../../clock.ts";

/** Time as a test decides it. */
export class FakeClock implements Clock {
  #now = 0;
  #next = 0;
  #timers = new Map<number, { at: number; callback: () => void }>();

  now = (): number => this.#now;
  epoch = (): number => Date.UTC(2026, 0, 31, 12) + this.#now;
  random = (): number => 0.5;

  after(delayMs: number, callback: () => void): () => void {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + delayMs, callback });
    return () => this.#timers.delete(id);
  }

  every(): () => void {
    throw new TypeError("Cannot repeat: no log code does");
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets `durationMs` pass, calls what is due in order, and lets promises settle in between. */
  async pass(durationMs: number): Promise<void> {
    await settle();
    const end = this.#now + durationMs;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].callback();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets all promises that are ready go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 500; i++) await Promise.resolve();
}
