/**
 * Reload: compile, show the difference, start the new generation beside the old one, swap when all of it is ready. Until
 * then the old one serves as if nothing had happened, and whatever fails leaves it so.
 */
import type { ReloadAnswer } from "../control.ts";
import { diffPlans } from "../manifest/diff_plans.ts";
import type { Plan } from "../manifest/plan.ts";
import { checkPorts } from "./check_ports.ts";
import type { Asker, Compiled } from "./event.ts";
import { handedOver } from "./handed_over.ts";
import { openAcceptor } from "./open_acceptor.ts";
import { slotsFor } from "./service_memory.ts";
import type { ServiceState } from "./service_state.ts";
import { watchUpcoming } from "./start_child.ts";

/** Compiles the manifest again; where the supervisor was given no manifest, the plan stays. */
function compileAgain(state: ServiceState): () => Promise<Compiled> | Compiled {
  return state.options.compile ?? (() => ({ plan: state.plan }));
}

/** Starts a reload, or refuses it; `askers` are told how it ends. */
export function beginReload(state: ServiceState, askers: Asker[], compile = compileAgain(state)): void {
  const refusal = refusalOf(state);
  if (refusal !== "") {
    state.log.warn("reload refused", { cause: refusal });
    return answer(askers, { ok: false, message: refusal, changes: [] });
  }
  state.reload = { changes: [], askers };
  state.log.info("reloading");
  prepare(state, compile).then((result) => state.queue.push({ type: "compiled", result }));
}

function refusalOf(state: ServiceState): string {
  if (state.reload) return "another reload is going on";
  if (state.goal.phase !== "run") return "the service is stopping";
  return state.started ? "" : "the service is still starting";
}

/** Compiles, and binds what the supervisor has to accept on. Never rejects. */
async function prepare(
  state: ServiceState,
  compile: () => Promise<Compiled> | Compiled,
): Promise<Compiled> {
  try {
    const result = await compile();
    if ("plan" in result) {
      checkPorts(result.plan, Object.values(state.addresses.all()).flat());
      if (handedOver(result.plan).length > 0) await openAcceptor(state, result.plan);
    }
    return result;
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The manifest is compiled: its workers may start, unless it is wrong. */
export function reloadCompiled(state: ServiceState, result: Compiled): void {
  const { reload } = state;
  if (reload === undefined) return;
  if ("problem" in result) return finishReload(state, false, result.problem);
  const { plan } = result;
  reload.changes = changesOf(state.plan, plan);
  const { count } = plan.workers;
  if (slotsFor(count, state.plan.workers.count) > state.memory.slotCount) {
    return finishReload(state, false, `${count} workers need a restart: the statistics file is too small`);
  }
  const generation = ++state.newest;
  state.plans.set(generation, plan);
  const { governor, governorFirst } = state.goal;
  const wanted = state.goalOf(plan);
  state.goal = {
    ...state.goal,
    // Its workers may need what only a governor finds out.
    governor: governor || wanted.governorFirst === true,
    governorFirst: governorFirst || wanted.governorFirst === true,
    next: { generation, workers: count },
  };
  watchUpcoming(state);
  // A seat that waits out a crash must not hold up what may be its cure.
  for (const seat of state.seats.values()) seat.notBefore = 0;
  state.log.info("starting the new generation", { generation, changes: reload.changes });
}

function changesOf(before: Plan, after: Plan): string[] {
  const text = (value: unknown) => JSON.stringify(value) ?? "nothing";
  return diffPlans(before, after).map((one) => `${one.path}: ${text(one.before)} -> ${text(one.after)}`);
}

/** A process of the new generation did not come up. */
export function abandonReload(state: ServiceState, why: string): void {
  if (state.goal.next === null) return;
  state.goal = { ...state.goal, ...state.goalOf(state.plan), next: null };
  watchUpcoming(state);
  finishReload(state, false, `given up, the old generation serves on: ${why}`);
}

/** The whole new generation is ready: it is the service from now on. */
export function commitReload(state: ServiceState): void {
  const { generation } = state.goal.next!;
  const former = state.plan;
  const plan = state.plans.get(generation)!;
  state.goal = { ...state.goal, ...state.goalOf(plan), generation, next: null };
  if (JSON.stringify(plan.logs) !== JSON.stringify(former.logs)) {
    state.logging.close();
    state.openLogging(plan);
  }
  for (const child of state.all("shipper")) {
    child.lastShipper = knowsOthers(state.plans.get(child.generation)!, plan);
  }
  const workers = state.all("worker").filter((child) => child.generation === generation);
  state.acceptor?.keep(state.addresses.serve(plan, workers.map(({ addresses }) => addresses)));
  forgetPlans(state);
  state.certificates.watch(plan);
  finishReload(state, true, `generation ${generation} serves`);
}

/** Whether `former` has streams, or spools of streams, that nobody knows any more when `plan` serves. */
function knowsOthers(former: Plan, plan: Plan): boolean {
  return Object.entries(former.streams).some(([name, { spool }]) =>
    plan.streams[name]?.spool.directory !== spool.directory
  );
}

function forgetPlans(state: ServiceState): void {
  const used = new Set(state.all().map(({ generation }) => generation));
  for (const generation of state.plans.keys()) {
    if (generation !== state.goal.generation && !used.has(generation)) state.plans.delete(generation);
  }
}

/** Ends the reload under way and tells everybody who asked. */
export function finishReload(state: ServiceState, ok: boolean, message: string): void {
  const { changes, askers } = state.reload ?? { changes: [], askers: [] };
  state.reload = undefined;
  state.lastReload = { at: state.clock.epoch(), ok, message };
  if (ok) state.log.info("reloaded", { result: message });
  else {
    // What was opened for the plan that will not serve.
    state.acceptor?.keep(state.addresses.serve(state.plan));
    state.log.error("reload failed", { cause: message });
  }
  answer(askers, { ok, message, changes });
}

function answer(askers: readonly Asker[], result: ReloadAnswer): void {
  for (const { resolve } of askers) resolve(result);
}
