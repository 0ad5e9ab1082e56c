/** The ways to the end: finish and stop, stop at once, fail. */
import { finishReload } from "./reload.ts";
import type { ServiceState } from "./service_state.ts";

/** drain: finish what is in flight, then stop. stop: now. */
export function stopService(state: ServiceState, phase: "drain" | "stop", cause: string): void {
  if (state.goal.phase === phase || state.goal.phase === "stop") return;
  state.log.info(phase === "drain" ? "the service drains" : "the service stops now", { cause });
  if (state.reload) finishReload(state, false, "given up: the service stops");
  const { keepAccepting, drain } = state.plan.workers;
  state.drainUntil = state.clock.now() + keepAccepting + drain;
  state.goal = { ...state.goal, phase, next: null };
}

/** The service cannot run; `message` is what the caller gets to know. */
export function failService(state: ServiceState, message: string): void {
  if (state.failure !== "") return;
  state.failure = message;
  state.log.error("the service fails", { error: message });
  stopService(state, "stop", "failure");
}
