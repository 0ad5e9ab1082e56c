/**
 * The loops of one worker: loaded with its handlers, started when it is ready, ended with it. What a loop does is in
 * loop_runner.ts. Refuses `on: leader`, which needs governance.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { LoopPlan, Plan } from "../manifest/plan.ts";
import type { Scope } from "../scope.ts";
import type { SharedNumbers, SlotWriter } from "../stats/mod.ts";
import { leasePeriodMs, LocalLease, type LoopLease, SharedLease } from "./loop_lease.ts";
import { type LoopHandler, LoopRunner, type LoopRunnerParts } from "./loop_runner.ts";

/** What loops are made from. */
export interface LoopsParts {
  plan: Plan;
  /** Stable id of the worker. */
  worker: number;
  generation: number;
  /** The only worker there is. */
  alone: boolean;
  shared: SharedNumbers;
  stats: SlotWriter;
  clock: Clock;
  logger(name: string): Log;
  load(handler: { module: string; export: string }): Promise<unknown>;
  host: LoopRunnerParts["host"];
  onFatal(cause: string, error: unknown): void;
}

/** Where nothing is shared nobody tells a new worker that the old one has ended; it waits this long for it, ms. */
const handOverMs = 1000;
/** Longest name of a loop that a lease is called by; longer ones by their beginning and a hash. */
const mostNameBytes = 40;

/** See the module's header. */
export class Loops {
  readonly #runners: readonly LoopRunner[];
  readonly #leased: readonly LoopRunner[];
  readonly #clock: Clock;
  readonly #log: Log;
  #started = false;

  private constructor(runners: readonly LoopRunner[], leased: readonly LoopRunner[], parts: LoopsParts) {
    this.#runners = runners;
    this.#leased = leased;
    this.#clock = parts.clock;
    this.#log = parts.logger("loops");
  }

  /** Loads their handlers. Rejects with a TypeError where one is no function. */
  static async make(parts: LoopsParts, scope: Scope): Promise<Loops> {
    const { plan, clock, stats, host, onFatal } = parts;
    const runners: LoopRunner[] = [];
    const leased: LoopRunner[] = [];
    for (const [name, loop] of Object.entries(plan.loops)) {
      const handler = await parts.load(loop.handler);
      if (typeof handler !== "function") {
        const { module, export: name_ } = loop.handler;
        const kind = handler === null ? "null" : typeof handler;
        throw new TypeError(
          `Cannot run loops.${name}: export "${name_}" of ${module} is no function but ${kind}`,
        );
      }
      const lease = leaseOf(name, loop, parts);
      const log = parts.logger(`loops.${name}`);
      const own = { name, plan: loop, handler: handler as LoopHandler, log, lease };
      const runner = new LoopRunner({ ...own, stats, clock, host, onFatal });
      runners.push(runner);
      if (lease) leased.push(runner);
    }
    const loops = new Loops(runners, leased, parts);
    scope.defer(() => loops.#runners.forEach((runner) => runner.close()));
    if (leased.length > 0) scope.defer(clock.every(leasePeriodMs, () => loops.#look()));
    return loops;
  }

  /** They run from the next turn on. */
  start(scope: Scope): void {
    scope.defer(this.#clock.after(0, () => {
      this.#started = true;
      for (const runner of this.#runners) runner.start();
    }));
  }

  #look(): void {
    if (!this.#started) return;
    const now = this.#clock.now();
    for (const runner of this.#leased) runner.look(now);
  }

  /** No run begins any more, those that go on are told to end. Resolves with how many had not within `mostMs`. */
  async drain(mostMs: number): Promise<number> {
    let cancel = () => {};
    const late = new Promise<void>((resolve) => cancel = this.#clock.after(mostMs, resolve));
    await Promise.race([Promise.all(this.#runners.map((runner) => runner.stop())), late]);
    cancel();
    const left = this.#runners.filter((runner) => runner.running).map(({ name }) => name);
    if (left.length > 0) this.#log.warn("loops did not end in time", { loops: left });
    return left.length;
  }
}

function leaseOf(name: string, loop: LoopPlan, parts: LoopsParts): LoopLease | undefined {
  if (loop.on === "everyWorker") return undefined;
  if (loop.on === "leader") {
    throw new TypeError(`Cannot run loops.${name}: there is no leader without governance`);
  }
  const { shared, worker, generation, plan, clock, alone } = parts;
  if (!shared.acrossProcesses) return new LocalLease(worker, clock.now(), alone ? 0 : handOverMs);
  const block = shared.block(`loop.${shortName(name)}`);
  return new SharedLease(block, { generation, hangMs: plan.workers.hang });
}

function shortName(name: string): string {
  if (name.length <= mostNameBytes) return name;
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return `${name.slice(0, mostNameBytes - 9)}.${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
