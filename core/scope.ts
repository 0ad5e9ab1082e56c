/**
 * Ownership: every timer, socket, thread and task belongs to a {@link Scope}; closing the scope frees them in reverse
 * order, also when building stopped half-way. Refuses new members once it is closing.
 */

/** A tree of things to undo. */
export class Scope {
  readonly name: string;
  #undo: Array<() => void | Promise<void>> = [];
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** True once {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Registers what must happen when this scope closes. Throws TypeError when it is already closing. */
  defer(undo: () => void | Promise<void>): void {
    if (this.#closed) throw new TypeError(`Cannot add to scope "${this.name}": it is closing`);
    this.#undo.push(undo);
  }

  /** A scope that closes with this one, or before it. */
  child(name: string): Scope {
    const scope = new Scope(`${this.name}.${name}`);
    this.defer(() => scope.close());
    return scope;
  }

  /** Undoes everything, last first. Later calls return the same promise. Errors are collected into one AggregateError. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `Cannot close scope "${this.name}" cleanly`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
