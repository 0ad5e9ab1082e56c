/** Waiting by the ticks of the worker: no timers of their own. */

interface Wait {
  readonly until: number;
  readonly resolve: () => void;
}

/** See the module's header. Times are monotonic ms, as precise as the ticks are frequent. */
export class Waits {
  #now: number;
  #waits: Wait[] = [];
  #closed = false;

  constructor(now: number) {
    this.#now = now;
  }

  get now(): number {
    return this.#now;
  }

  /** Resolves after `ms`, or when {@link wake} is called. At once when closed. */
  wait(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#waits.push({ until: this.#now + ms, resolve }));
  }

  tick(now: number): void {
    this.#now = now;
    if (!this.#waits.some(({ until }) => until <= now)) return;
    const due = this.#waits.filter(({ until }) => until <= now);
    this.#waits = this.#waits.filter(({ until }) => until > now);
    for (const { resolve } of due) resolve();
  }

  /** Ends all waits now. */
  wake(): void {
    const all = this.#waits;
    this.#waits = [];
    for (const { resolve } of all) resolve();
  }

  close(): void {
    this.#closed = true;
    this.wake();
  }
}
