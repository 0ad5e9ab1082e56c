/**
 * Attempts that wait for their reply, in the order in which their commands were put on the connection: a ring that
 * allocates nothing per attempt and remembers since when each waits. Grows with what is in flight, up to what the
 * session's capacity lets in.
 */

/** See the module's header. */
export class Pending<Item> {
  #items: Array<Item | undefined> = new Array(64).fill(undefined);
  #since = new Float64Array(64);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest one; undefined where there is none. */
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  /** When the oldest one was put in; 0 where there is none. */
  get since(): number {
    return this.#size === 0 ? 0 : this.#since[this.#head];
  }

  push(item: Item, since: number): void {
    if (this.#size === this.#items.length) this.#grow();
    const at = (this.#head + this.#size++) & (this.#items.length - 1);
    this.#items[at] = item;
    this.#since[at] = since;
  }

  /** Takes the oldest one out. */
  shift(): void {
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
  }

  /** The one at `index`, 0 being the oldest. */
  at(index: number): Item | undefined {
    return this.#items[(this.#head + index) & (this.#items.length - 1)];
  }

  #grow(): void {
    const { length } = this.#items;
    const items = new Array<Item | undefined>(length * 2).fill(undefined);
    const since = new Float64Array(length * 2);
    for (let index = 0; index < this.#size; index++) {
      const at = (this.#head + index) & (length - 1);
      items[index] = this.#items[at];
      since[index] = this.#since[at];
    }
    this.#items = items;
    this.#since = since;
    this.#head = 0;
  }
}
