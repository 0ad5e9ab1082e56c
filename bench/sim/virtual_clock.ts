/**
 * Time that passes only when everything due has been done: a heap of events, a seeded source of chance, and promises
 * that settle between one moment and the next. The same seed gives the same run.
 */
import type { Clock } from "../../core/clock.ts";

interface Event {
  at: number;
  order: number;
  run: () => void;
  cancelled: boolean;
}

/** Promises of one moment may wait for each other this deep. */
const depth = 12;

/** See the module's header. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #state: number;
  readonly #heap: Event[] = [];

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  now(): number {
    return this.#now;
  }

  epoch(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** mulberry32 (Tommy Ettinger). */
  random(): number {
    let t = this.#state = (this.#state + 0x6D2B79F5) >>> 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Exponentially distributed with this mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.random()) * mean;
  }

  after(delayMs: number, run: () => void): () => void {
    const event = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run, cancelled: false };
    this.#push(event);
    return () => void (event.cancelled = true);
  }

  every(periodMs: number, run: () => void): () => void {
    let cancel = () => {};
    const again = () => {
      cancel = this.after(periodMs, again);
      run();
    };
    cancel = this.after(periodMs, again);
    return () => cancel();
  }

  /** Runs everything that happens up to `end`; what falls into the same `grainMs` happens together. */
  async runUntil(end: number, grainMs = 1): Promise<void> {
    for (let first = this.#heap[0]; first && first.at <= end; first = this.#heap[0]) {
      const until = Math.min(end, first.at + grainMs);
      for (let event = this.#heap[0]; event && event.at <= until; event = this.#heap[0]) {
        this.#pop();
        this.#now = event.at;
        if (!event.cancelled) event.run();
      }
      for (let i = 0; i < depth; i++) await undefined;
    }
    this.#now = end;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
