/** What is due when: a binary heap by time. Asking whether anything is due costs nothing, however much is planned. */

/** See the module's header. */
export class Agenda<Item> {
  readonly #at: number[] = [];
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the first is due; Infinity where nothing is planned. */
  get nextAt(): number {
    return this.#at[0] ?? Infinity;
  }

  add(at: number, item: Item): void {
    let hole = this.#at.length;
    this.#at.push(at);
    this.#items.push(item);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#at[parent]! <= at) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#set(hole, at, item);
  }

  /** Takes the first off; undefined where nothing is planned. */
  shift(): Item | undefined {
    const first = this.#items[0];
    const at = this.#at.pop();
    const item = this.#items.pop();
    const size = this.#items.length;
    if (size === 0) return first;
    let hole = 0;
    for (let child = 1; child < size; child = 2 * hole + 1) {
      if (child + 1 < size && this.#at[child + 1]! < this.#at[child]!) child++;
      if (this.#at[child]! >= at!) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#set(hole, at!, item!);
    return first;
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#at[from]!, this.#items[from]!);
  }

  #set(to: number, at: number, item: Item): void {
    this.#at[to] = at;
    this.#items[to] = item;
  }
}
