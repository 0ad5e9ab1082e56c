/**
 * Port 0 means any free port, but the same one for all workers of all generations: once the first worker has it, the
 * plans of the others name it.
 */
import type { Plan } from "../manifest/plan.ts";

/** A copy of `plan` in which every port 0 is the one that `addresses` (by listener; `meta` for the pages) tell. */
export function pinPorts(plan: Plan, addresses: Readonly<Record<string, readonly string[]>>): Plan {
  const pinned = structuredClone(plan);
  const parts = Object.entries({ ...pinned.listeners, meta: pinned.meta });
  for (const [name, part] of parts) {
    if (part === null || !("listen" in part) || part.listen === null) continue;
    part.listen.forEach((address, index) => {
      const port = /:(\d+)$/.exec(addresses[name]?.[index] ?? "")?.[1];
      if (address.transport === "tcp" && address.port === 0 && port !== undefined) {
        address.port = Number(port);
      }
    });
  }
  return pinned;
}
