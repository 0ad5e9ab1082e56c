/** The one queue that everything that happens to the supervisor goes through, in order. */

/** A bounded first-in-first-out queue with one reader. */
export class EventQueue<Event> {
  readonly #events: Event[] = [];
  readonly #most: number;
  #wake: (() => void) | undefined;

  constructor(most = 10_000) {
    this.#most = most;
  }

  /** Adds `event`; false when the queue is full. */
  push(event: Event): boolean {
    if (this.#events.length >= this.#most) return false;
    this.#events.push(event);
    this.#wake?.();
    return true;
  }

  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** The next event, as soon as there is one. */
  async next(): Promise<Event> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    return this.#events.shift()!;
  }
}
