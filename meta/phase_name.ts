/** Phases of requests and connections are small numbers in the shared tables; here they become words. */

import { Phase } from "../core/protocol.ts";

const names = new Map<number, string>(Object.entries(Phase).map(([name, value]) => [value, name]));

/** The name of a phase; its number where a newer writer knows more phases than this reader. */
export function phaseName(phase: number): string {
  return names.get(phase) ?? `phase ${phase}`;
}
