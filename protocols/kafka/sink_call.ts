/** The life of one `send`: its time, its pauses between tries, and what it fails with. */
import { failureOf } from "./failure.ts";

/** About 12 s of tries: longer than brokers take to choose another leader for a dead one (`broker.session.timeout.ms`). */
const mostTries = 15;
const firstPauseMs = 100;
const longestPauseMs = 1000;

export class SinkCall {
  /** Rejects when the call fails; never resolves. */
  readonly failed: Promise<never>;
  readonly #reject: (cause: unknown) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #pauses = new Set<() => void>();
  /** Why something is tried again. */
  #trouble: unknown;
  #isOver = false;

  constructor(timeoutMs: number) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.failed = promise;
    this.#reject = reject;
    const late = () => this.fail(this.#trouble ?? new Error(`no acknowledgement within ${timeoutMs} ms`));
    this.#timer = setTimeout(late, timeoutMs);
  }

  /** Nothing is to be begun any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends it where another try is of no use. */
  fail(cause: unknown): void {
    this.#reject(cause);
    this.end();
  }

  /** Waits before another try of what failed for the `tries`th time; false where there is none. */
  async again(trouble: unknown, tries: number): Promise<boolean> {
    if (this.#isOver) return false;
    this.#trouble = trouble;
    // Repeated, a wrong password would lock the account.
    if (tries >= mostTries || failureOf(trouble).codes.has("PLT_KFK_AUTHENTICATION")) {
      this.fail(trouble);
      return false;
    }
    await this.#pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1)));
    return !this.#isOver;
  }

  /** Does `work` until it works; undefined where the call is over before. */
  async until<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 1; !this.#isOver; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!await this.again(error, tries)) return undefined;
      }
    }
  }

  /** Ends its timers. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const wake of this.#pauses) wake();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#pauses.add(wake);
    });
  }
}
