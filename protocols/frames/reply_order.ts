/**
 * Keeps replies in the order of their frames: what finishes early waits in a ring for what was asked before it. The
 * ring is the bound on frames in flight; it allocates nothing per frame.
 */
import type { Refusal } from "../../core/errors.ts";

/** What a frame ended in. */
export type Answer = Uint8Array | Refusal;

/** The order of one connection's replies; `send` gets them one after another, in the order the frames were taken. */
export class ReplyOrder {
  readonly #answers: Array<Answer | undefined>;
  readonly #waiters: Array<(() => void) | undefined>;
  readonly #send: (answer: Answer) => void;
  #taken = 0;
  #sent = 0;

  constructor(size: number, send: (answer: Answer) => void) {
    this.#answers = new Array(size).fill(undefined);
    this.#waiters = new Array(size).fill(undefined);
    this.#send = send;
  }

  /** Frames taken since the beginning. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether as many frames wait for their reply to be sent as may. */
  get full(): boolean {
    return this.#taken - this.#sent >= this.#answers.length;
  }

  /** The number of another frame. Only while it is not {@link full}. */
  take(): number {
    return this.#taken++;
  }

  /** Whether frame `number` has no answer yet. */
  isOpen(number: number): boolean {
    return number >= this.#sent && this.#answers[number % this.#answers.length] === undefined;
  }

  /** Answers frame `number`: now when it is its turn, and then all that waited for it. */
  answer(number: number, answer: Answer): void {
    const size = this.#answers.length;
    if (number !== this.#sent) {
      this.#answers[number % size] = answer;
      this.#wake(number % size);
      return;
    }
    this.#send(answer);
    for (this.#sent++; this.#sent < this.#taken; this.#sent++) {
      const slot = this.#sent % size;
      const next = this.#answers[slot];
      if (next === undefined) return this.#wake(slot);
      this.#answers[slot] = undefined;
      this.#send(next);
    }
  }

  /** Settles when it is the turn of frame `number`, when it is answered otherwise, or by {@link release}. */
  turn(number: number): Promise<void> | undefined {
    if (number <= this.#sent || !this.isOpen(number)) return undefined;
    return new Promise((resolve) => this.#waiters[number % this.#waiters.length] = resolve);
  }

  /** Ends all waiting. */
  release(): void {
    for (let slot = 0; slot < this.#waiters.length; slot++) this.#wake(slot);
  }

  #wake(slot: number): void {
    const waiter = this.#waiters[slot];
    this.#waiters[slot] = undefined;
    waiter?.();
  }
}
