/** Time that stands still until a test lets it pass, and the parts of a listener around it. */
import type { Clock } from "../../clock.ts";
import type { Log } from "../../context.ts";
import type { AcceptPlan } from "../../manifest/plan.ts";
import type { ByteStream } from "../../protocol.ts";
import type { ServerFilter } from "../../server_filter.ts";
import { localStatsMemory, readSeries } from "../../stats/mod.ts";
import { Guard } from "../guard.ts";
import { GuardedConnection } from "../guarded_connection.ts";
import { type AccessLines, Listener } from "../listener.ts";
import { userStats } from "../user_stats.ts";

/** See the module's header. Chance is always one half. */
export class StandStill implements Clock {
  #now = 1000;
  #timers = new Set<{ at: number; everyMs: number; callback: () => void }>();

  now = (): number => this.#now;
  epoch = (): number => 1_800_000_000_000 + this.#now;
  random = (): number => 0.5;

  after(delayMs: number, callback: () => void): () => void {
    return this.#add(delayMs, 0, callback);
  }

  every(periodMs: number, callback: () => void): () => void {
    return this.#add(periodMs, periodMs, callback);
  }

  #add(delayMs: number, everyMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, everyMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass and calls what is due, in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      if (due.everyMs > 0) due.at += due.everyMs;
      else this.#timers.delete(due);
      due.callback();
    }
    this.#now = end;
  }
}

/** Lets what promises are ready for happen. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

/** A node socket as far as the guard looks at one. */
export class FakeSocket {
  bytesRead = 0;
  bytesWritten = 0;
  writableLength = 0;
}

const acceptDefaults = {
  mode: "reusePort",
  backlog: 16,
  connections: 100,
  perAddress: 0,
  firstByte: 10_000,
  headers: 10_000,
  body: 30_000,
  idle: 75_000,
  age: 0,
} as unknown as AcceptPlan;

/** A guard, and a listener with `filters`, whose statistics can be read. */
export function standStill(
  options: {
    accept?: Partial<AcceptPlan>;
    plan?: Record<string, unknown>;
    filters?: readonly ServerFilter[];
    clock?: StandStill;
  } = {},
) {
  const clock = options.clock ?? new StandStill();
  const memory = localStatsMemory(1);
  const stats = memory.slot(0).writer({ role: "worker", id: 1, generation: 1 });
  const errors: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (message) => void errors.push(message),
    child: () => log,
  };
  const accept = { ...acceptDefaults, ...options.accept };
  const guard = new Guard("api", accept, { stats, clock, log });
  const lines: Array<{ text: string; status: number; reason: string; queueMs: number; handlerMs: number }> =
    [];
  const access: AccessLines = {
    enabled: true,
    write: (_start, text, status, reason, _address, _id, queueMs, handlerMs) =>
      void lines.push({ text, status, reason, queueMs, handlerMs }),
  };
  const unused = () => {
    throw new TypeError("Cannot: no test needs it");
  };
  const listener = new Listener({
    name: "api",
    plan: { deadline: 1000, accept, ...options.plan },
    directory: "/",
    log,
    access,
    stats,
    userStats: userStats(stats),
    config: {},
    clock,
    guard,
    filters: options.filters ?? [],
    pool: unused,
    load: unused,
    onPool: unused,
    upstream: unused,
    upstreamHandle: unused,
    streamHandle: unused,
    nextRequestId: () => "id-1",
  });
  let closed = 0;
  const open = (address = "10.0.0.1", keys: { tls?: boolean } = {}) => {
    const socket = new FakeSocket();
    const stream = { node: socket, close: () => void closed++ } as unknown as ByteStream;
    const admitted = guard.admit({ stream, address, port: 1, client: "", tls: keys.tls ?? false, fd: -1 });
    if (!(admitted instanceof GuardedConnection)) return { refused: admitted, socket, connection: undefined };
    const connection = admitted;
    const killed: string[] = [];
    connection.opaque = true;
    connection.kill = (reason) => {
      killed.push(reason);
      connection.done(reason);
    };
    return { connection, socket, killed, refused: undefined };
  };
  const total = (name: string, labels: Record<string, string> = {}) => {
    let sum = 0;
    for (const series of readSeries(memory)) {
      const matches = Object.entries(labels).every(([key, value]) => series.labels[key] === value);
      if (series.name === name && matches && "value" in series) sum += Number(series.value);
    }
    return sum;
  };
  return { clock, guard, listener, stats, errors, lines, open, total, closedStreams: () => closed };
}
