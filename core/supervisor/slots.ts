/** Which process writes which slot of the statistics memory: never two living ones, and a stable id gets its old slot back. */
export class Slots {
  readonly #owners: Array<string | undefined>;
  readonly #busy: boolean[];

  constructor(count: number) {
    this.#owners = new Array(count).fill(undefined);
    this.#busy = new Array(count).fill(false);
  }

  /** A free slot for `key`: the one it had, else one nobody had, else any. -1 when all are busy. */
  take(key: string): number {
    let best = -1;
    for (let slot = 0; slot < this.#busy.length; slot++) {
      if (this.#busy[slot]) continue;
      if (this.#owners[slot] === key) {
        best = slot;
        break;
      }
      if (best < 0 || (this.#owners[best] !== undefined && this.#owners[slot] === undefined)) best = slot;
    }
    if (best < 0) return -1;
    this.#busy[best] = true;
    this.#owners[best] = key;
    return best;
  }

  /** The process of `slot` is gone. */
  release(slot: number): void {
    this.#busy[slot] = false;
  }
}
