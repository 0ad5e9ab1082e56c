/**
 * Which addresses the supervisor accepts on, to hand each connection to a worker: those of `handOff` listeners, and unix
 * sockets, which cannot be shared the way ports can. Workers listen on all others themselves.
 */
import type { Address, Plan } from "../manifest/plan.ts";

/** One address of one listener. */
export interface ListenerAddress {
  listener: string;
  /** Its place in the listener's `listen`. */
  index: number;
  address: Address;
}

/** Whether the supervisor accepts on `address` of a listener with this accept mode. */
export function isHandedOver(mode: string | undefined, address: Address): boolean {
  return mode === "handOff" || address.transport === "unix";
}

/** All addresses of `plan` that the supervisor accepts on. */
export function handedOver(plan: Plan): ListenerAddress[] {
  return Object.entries(plan.listeners).flatMap(([listener, part]) => {
    if (!("accept" in part) || !("listen" in part)) return [];
    const { listen, accept } = part;
    return listen
      .map((address, index) => ({ listener, index, address }))
      .filter(({ address }) => isHandedOver(accept.mode, address));
  });
}
