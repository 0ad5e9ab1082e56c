/** The worker's heartbeat: all that is a matter of time hangs on this one timer. */
import type { Clock } from "../clock.ts";
import type { Scope } from "../scope.ts";
import type { SlotWriter } from "../stats/mod.ts";
import type { Upstreams } from "../upstream/upstreams.ts";
import type { Served, ServedSockets } from "./served.ts";

/** Sweeps, ticks and the heartbeat: the worker's only timers. */
export function beat(
  served: readonly Served[],
  sockets: readonly ServedSockets[],
  upstreams: Upstreams | undefined,
  stats: SlotWriter,
  scope: Scope,
  clock: Clock,
): void {
  const periodMs = Math.min(
    50,
    upstreams?.periodMs ?? 50,
    ...served.map((one) => one.guard.periodMs),
    ...[...served, ...sockets].map((one) => one.plan.deadline > 0 ? Math.max(5, one.plan.deadline / 20) : 50),
  );
  const delay = stats.histogram("weir_loop_delay_seconds", {}, {
    unit: "ms",
    help: "How late the worker's timer came",
  });
  const heap = stats.gauge("weir_heap_bytes", {}, "JavaScript heap in use");
  const rss = stats.gauge("weir_rss_bytes", {}, "Resident set size");
  const queued = served.map((one) =>
    stats.gauge("weir_accept_queue_depth", { listener: one.name }, "Connections that wait to be accepted")
  );
  let last = clock.now();
  let slowAt = -Infinity;
  scope.defer(clock.every(periodMs, () => {
    const now = clock.now();
    const lateMs = Math.max(0, now - last - periodMs);
    last = now;
    delay.record(lateMs);
    stats.beat(lateMs, clock.epoch());
    for (const one of served) {
      one.listener.tick();
      one.guard.sweep();
    }
    for (const one of sockets) {
      one.listener.tick();
      one.server.tick?.(now);
    }
    upstreams?.tick(now);
    if (now - slowAt < 1000) return;
    slowAt = now;
    const memory = Deno.memoryUsage();
    heap.set(memory.heapUsed);
    rss.set(memory.rss);
    served.forEach((one, i) =>
      queued[i]!.set(one.listenings.reduce((sum, it) => sum + Math.max(0, it.queued()), 0))
    );
  }));
}
