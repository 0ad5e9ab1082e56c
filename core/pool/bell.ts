/**
 * How the threads of a pool call its main thread: one word in shared memory for all of them, on which the main thread
 * waits without blocking.
 */
import { waitAsync } from "./ring.ts";

/** The pool's end of the bell. */
export class Bell {
  /** For the threads: word 0 counts, word 1 says that somebody listens. */
  readonly memory = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.memory);
  readonly #own = new Int32Array(new SharedArrayBuffer(4));
  #closed = false;

  /**
   * Calls `read` once after every ring, and once a turn of the event loop while `hasMore` says that it left something,
   * until the bell is closed.
   */
  async listen(hasMore: () => boolean, read: () => void): Promise<void> {
    const words = this.#words;
    while (!this.#closed) {
      const seen = Atomics.load(words, 0);
      Atomics.store(words, 1, 1);
      if (hasMore()) {
        Atomics.store(words, 1, 0);
        // A turn of the event loop, not a microtask: timers and sockets have to get theirs under constant load.
        queueMicrotask(() => Atomics.notify(this.#own, 0));
        await waitAsync(this.#own, 0, 0);
      } else {
        await waitAsync(words, 0, seen);
      }
      read();
    }
  }

  close(): void {
    this.#closed = true;
    Atomics.add(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
  }
}
