/** How a worker stops: new connections go to the siblings, what is queued is accepted, what is in flight ends. */
import type { Log } from "../context.ts";
import type { Listening } from "./listening.ts";
import type { Served, ServedSockets } from "./served.ts";

/** A member of the SO_REUSEPORT groups: of all, or by address where they differ. */
export interface Steering {
  self: number;
  size: number;
  places?: Record<string, { self: number; size: number }>;
}

/** How a worker stops. */
export interface DrainOptions {
  /** Time during which it still accepts, although it is no longer ready. */
  keepAcceptingMs: number;
  /** Time that what is in flight gets. */
  drainMs: number;
  /** Its own place in the groups; null when it is alone. */
  steer: { self: number; size: number } | null;
  places?: Record<string, { self: number; size: number }>;
  /** Called when its addresses are given back. */
  onUnbound?: () => void;
}

/** A connection that waits this long between requests during a drain is asked to end. */
const idleGraceMs = 250;
/** Longest wait for the kernel to forget a closed listener. */
const releaseMs = 1000;
/** Longest handshake that a steered listener still waits for. */
const steerSettleMs = 50;

/** Resolves with the number of connections that had to be cut. */
export async function drain(
  served: readonly Served[],
  sockets: readonly ServedSockets[],
  options: DrainOptions,
  log: Log,
): Promise<number> {
  const end = performance.now() + options.drainMs;
  for (const one of served) one.guard.beginDrain();
  const over = Promise.all(sockets.map((one) => one.server.drain()));
  let closed = sockets.length === 0;
  over.then(() => closed = true, (error) => {
    closed = true;
    log.error("a socket did not close cleanly", { error });
  });
  const { steer } = options;
  const listenings = served.flatMap((one) => one.listenings);
  const steered = steer !== null && steerAway(listenings, { ...steer, ...places(options) });
  // What the kernel has queued, or is still shaking hands with, is ours: accept it before the socket goes.
  const adopters = served.flatMap(({ adopter }) => adopter ?? []);
  const settled = performance.now() + (steered || adopters.length > 0 ? steerSettleMs : 0);
  const limit = Math.min(end, performance.now() + 1000);
  while (performance.now() < limit) {
    // What the supervisor handed over comes another way than its word that this was the last.
    const quiet = listenings.every((it) => it.sinceAcceptMs() > 20 && it.queued() <= 0) &&
      adopters.every((it) => it.sinceTakenMs() > 20);
    if (performance.now() >= settled && quiet) break;
    await pause(5);
  }
  for (const listening of listenings) listening.close();
  // Who is told earlier sends new connections to sockets that are about to be closed with them.
  await Promise.race([Promise.all(listenings.map((it) => it.released)), pause(releaseMs)]);
  options.onUnbound?.();
  const graceMs = Math.min(idleGraceMs, options.drainMs / 2);
  const shaking = () => [...listenings, ...adopters].reduce((sum, it) => sum + it.handshakes(), 0);
  const open = () =>
    served.reduce((sum, one) => sum + one.guard.connections.size + one.listener.pending, shaking());
  const busy = () => open() > 0 || !closed || sockets.some((one) => one.listener.pending > 0);
  while (busy() && performance.now() < end) {
    for (const one of served) one.guard.finishIdle(graceMs);
    await pause(5);
  }
  let left = 0;
  for (const one of served) left += one.guard.killAll("drain");
  log.info("drained", { left, steered });
  return left;
}

function places({ places }: DrainOptions): Pick<Steering, "places"> {
  return places ? { places } : {};
}

/** True when at least one group was steered. */
export function steerAway(listenings: readonly Listening[], { self, size, places }: Steering): boolean {
  return listenings.map((it) => {
    const place = places?.[it.address] ?? { self, size };
    return place.size > 1 && it.steerAway(place.self, place.size);
  }).some(Boolean);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
