/**
 * Workers share their ports with SO_REUSEPORT, and so would any other program of this user that asks for the same: half
 * of its connections would come to us without a word. So each port is bound alone for a moment before workers are started.
 */
import type { Plan } from "../manifest/plan.ts";
import { isHandedOver } from "./handed_over.ts";

/**
 * Throws Error, naming the address, when somebody else has one of those that workers of `plan` are to share; `own` are the
 * addresses that workers of this service have already.
 */
export function checkPorts(plan: Plan, own: Iterable<string> = []): void {
  const known = new Set(own);
  for (const [name, part] of Object.entries(plan.listeners)) {
    if (!("listen" in part) || !("accept" in part)) continue;
    for (const address of part.listen) {
      if (address.transport !== "tcp" || address.port === 0) continue;
      if (isHandedOver(part.accept.mode, address)) continue;
      const { hostname, port } = address;
      const text = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
      if (known.has(text)) continue;
      try {
        Deno.listen({ hostname, port }).close();
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) continue; // The worker's own attempt says it better.
        throw new Error(
          `Cannot listen on ${text} (listeners.${name}): another program has this address in use`,
          {
            cause: error,
          },
        );
      }
    }
  }
}
