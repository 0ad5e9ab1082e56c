/** Opens what the supervisor itself has to accept on for a plan; loads the acceptor only when there is something. */
import type { Plan } from "../manifest/plan.ts";
import type { Acceptor } from "./acceptor.ts";
import { handedOver } from "./handed_over.ts";
import type { ServiceState } from "./service_state.ts";

/** Resolves when the acceptor listens wherever `plan` needs it; rejects when an address cannot be bound. */
export async function openAcceptor(state: ServiceState, plan: Plan): Promise<Acceptor> {
  const { Acceptor } = await import("./acceptor.ts");
  const acceptor = state.acceptor ??= new Acceptor();
  state.addresses.accept(await acceptor.open(() => handedOver(state.addresses.pin(plan))));
  state.queue.push({ type: "opened" });
  return acceptor;
}
