/** Counts exits of processes out of the lists of the last few that the supervisor sends. */

import type { ExitRecord, Role } from "../core/control.ts";

/** How many processes of one stable id ended. */
export interface ExitCount {
  role: Role;
  id: number;
  expected: boolean;
  count: number;
}

/** Each exit is counted once, however often it is listed. */
export class ExitCounter {
  #seen = new Set<string>();
  readonly #counts = new Map<string, ExitCount>();

  /** Takes a whole list; what has left it is forgotten, it never comes back. */
  take(exits: readonly ExitRecord[]): void {
    const listed = new Set<string>();
    for (const { role, id, pid, at, expected } of exits) {
      const key = `${role} ${id} ${pid} ${at}`;
      listed.add(key);
      if (this.#seen.has(key)) continue;
      const name = `${role} ${id} ${expected}`;
      const counted = this.#counts.get(name) ?? { role, id, expected, count: 0 };
      counted.count++;
      this.#counts.set(name, counted);
    }
    this.#seen = listed;
  }

  /** Exits by process and by whether they were expected. */
  counts(): ExitCount[] {
    return [...this.#counts.values()];
  }
}
