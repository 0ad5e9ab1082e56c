/**
 * Admission: so many requests run, so many wait for at most so long, the rest is refused at once. Stands last before
 * the handler, so that what is refused earlier never takes a place. A slot is held until the handler is through, also
 * when the deadline answered for it: what still runs still costs.
 */
import { Refusal } from "../../core/errors.ts";
import type { Call, ServerFilter, ServerFilterKind } from "../../core/server_filter.ts";
import type { AdmitPlan } from "../../core/manifest/plan.ts";
import { adaptiveLimit, type ConcurrencyLimit, fixedLimit } from "./concurrency_limit.ts";
import { WaitQueue } from "./wait_queue.ts";

/** See core/server_filter.ts. */
export const admit = {
  kind: "serverFilter",
  name: "admit",
  why:
    "last before the handler: what was refused before must not take a place, and what waits here has passed all else",
  make({ listener, plan, stats, clock }, scope): ServerFilter | undefined {
    const admitPlan = plan.admit as AdmitPlan | undefined;
    if (!admitPlan) return undefined;
    const limit = limitOf(admitPlan.concurrency);
    const queue = new WaitQueue(admitPlan.wait > 0 ? admitPlan.queue : 0, admitPlan.wait, clock);
    scope.defer(() => queue.clear());
    const labels = { listener };
    const depth = stats.gauge("weir_queue_depth", labels, "Requests that wait for admission");
    const allowed = stats.gauge("weir_concurrency_limit", labels, "Requests that may run at once");
    const waited = stats.histogram("weir_queue_wait_seconds", labels, {
      unit: "ms",
      help: "Time that requests waited for admission",
    });
    allowed.set(limit.current);
    let running = 0;

    const next = () => {
      while (running < limit.current) {
        const waiter = queue.shift();
        if (!waiter) break;
        running++;
        waiter.wake(true);
      }
      depth.set(queue.size);
    };

    const wait = (call: Call): Refusal | Promise<undefined | Refusal> => {
      const since = clock.now();
      let wake!: (turn: boolean) => void;
      if (queue.size >= queue.capacity) return new Refusal("queue_full", admitPlan.wait);
      const turn = new Promise<boolean>((resolve) => wake = resolve);
      queue.push({ since, wake, stale: () => call.ended || call.left });
      depth.set(queue.size);
      return turn.then((mine) => {
        call.queuedMs = clock.now() - since;
        waited.record(call.queuedMs);
        depth.set(queue.size);
        if (mine) return undefined;
        return call.left ? new Refusal("client_left") : new Refusal("queue_timeout", admitPlan.wait);
      });
    };

    return {
      before(call) {
        if (running < limit.current && queue.size === 0) {
          running++;
          return undefined;
        }
        return wait(call);
      },
      after(_call, reason, handlerMs) {
        // What was refused behind us, or took no time at all, says nothing about capacity.
        if (reason === "ok" || reason === "deadline") {
          limit.sample(handlerMs, running);
          allowed.set(limit.current);
        }
        running--;
        if (queue.size > 0) next();
      },
    };
  },
} as const satisfies ServerFilterKind;

function limitOf(concurrency: AdmitPlan["concurrency"]): ConcurrencyLimit {
  return typeof concurrency === "number" ? fixedLimit(concurrency) : adaptiveLimit(concurrency.auto);
}
