/** The last exits of every stable id, newest first, with their causes: what one wants to know after a bad night. */
import type { ExitRecord } from "../control.ts";

const mostPerId = 10;
const mostDetailBytes = 4096;

/** Keeps the last ten exits per role and id. */
export class ExitHistory {
  readonly #exits = new Map<string, ExitRecord[]>();

  add(record: ExitRecord): void {
    const key = `${record.role} ${record.id}`;
    const exits = this.#exits.get(key) ?? [];
    exits.unshift({ ...record, detail: record.detail.slice(-mostDetailBytes) });
    exits.length = Math.min(exits.length, mostPerId);
    this.#exits.set(key, exits);
  }

  /** All of them, newest first. */
  list(): ExitRecord[] {
    return [...this.#exits.values()].flat().sort((a, b) => b.at - a.at);
  }
}
