/** Particulars of calls that travel by message, beside their record: they may come before the record is claimed, or after. */
import type { ToThread } from "./thread_protocol.ts";

/** A message with the particulars of a call. */
export type ParticularsMessage = ToThread & { t: "payload" | "call" };

/** Brings records and messages of one thread together. */
export class Particulars {
  readonly #here = new Map<number, ParticularsMessage>();
  readonly #awaited = new Map<number, (message: ParticularsMessage) => void>();

  /** A message has come. */
  add(message: ParticularsMessage): void {
    const awaited = this.#awaited.get(message.call);
    this.#awaited.delete(message.call);
    if (awaited !== undefined) awaited(message);
    else this.#here.set(message.call, message);
  }

  /** The message of the call `id`, whose record was claimed. */
  of(id: number): Promise<ParticularsMessage> {
    const here = this.#here.get(id);
    this.#here.delete(id);
    if (here !== undefined) return Promise.resolve(here);
    return new Promise((resolve) => this.#awaited.set(id, resolve));
  }

  /** The record of the call `id` was or will be skipped. */
  forget(id: number): void {
    this.#here.delete(id);
  }
}
