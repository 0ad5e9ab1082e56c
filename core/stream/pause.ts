/** A wait that ends early when something happens. */
import type { Clock } from "../clock.ts";

/** One waiter at a time; a ring that finds nobody waiting ends the next wait at once. */
export class Pause {
  readonly #clock: Clock;
  #rung = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `ms`, or when {@link ring} is called. */
  wait(ms: number): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => this.#end?.());
      this.#end = () => {
        this.#end = undefined;
        cancel();
        resolve();
      };
    });
  }

  ring(): void {
    if (this.#end === undefined) this.#rung = true;
    else {
      this.#rung = false;
      this.#end();
    }
  }
}
