/**
 * Sees that a thread has reached the limit of its heap. The runtime ends a thread that does so only when that happens in
 * certain turns of its event loop; otherwise it ends just the running function, silently, and raises the limit. The
 * raised limit gives it away.
 */
import v8 from "node:v8";

const checkMs = 50;

/** Looks while there are calls. */
export class HeapWatch {
  readonly #isBusy: () => boolean;
  readonly #onLimit: (usedBytes: number) => void;
  readonly #limitBytes = v8.getHeapStatistics().heap_size_limit;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** There was a call since the last look. */
  #active = false;

  /** Looks on as long as `isBusy`; `onLimit` gets the bytes in use. */
  constructor(isBusy: () => boolean, onLimit: (usedBytes: number) => void) {
    this.#isBusy = isBusy;
    this.#onLimit = onLimit;
  }

  /** A call begins. */
  begin(): void {
    this.#active = true;
    this.#timer ??= setInterval(() => this.#look(), checkMs);
  }

  #look(): void {
    const heap = v8.getHeapStatistics();
    if (heap.heap_size_limit > this.#limitBytes) this.#onLimit(heap.used_heap_size);
    else if (!this.#active && !this.#isBusy()) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#active = false;
  }
}
