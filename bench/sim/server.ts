/**
 * An endpoint of the simulation: so many requests at once, the others queue; an exponential service time; it can fail,
 * crawl, or be gone. Sessions to it cost a round trip and break when it goes.
 */
import type { Attempt, Session, SessionHost } from "../../core/upstream/contract.ts";
import { UpstreamError } from "../../core/upstream_error.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What a simulated request is: nothing but its status when it comes back. */
export type SimAttempt = Attempt<null, number>;

/** How a server behaves now. */
export interface Behaviour {
  up: boolean;
  /** Share of the requests that are answered with 500, at once. */
  failing: number;
  serviceMs: number;
}

/** See the module's header. */
export class SimServer {
  readonly clock: VirtualClock;
  readonly behaviour: Behaviour;
  readonly #atOnce: number;
  readonly #queueMost: number;
  readonly #sessions = new Set<SimSession>();
  readonly #queue: Array<() => void> = [];
  #running = 0;
  /** Requests that reached it, and how many of them in the present second. */
  received = 0;
  perSecond = 0;
  peakPerSecond = 0;

  constructor(clock: VirtualClock, options: { atOnce: number; queue: number; serviceMs: number }) {
    this.clock = clock;
    this.#atOnce = options.atOnce;
    this.#queueMost = options.queue;
    this.behaviour = { up: true, failing: 0, serviceMs: options.serviceMs };
  }

  /** A second has passed. */
  second(): void {
    this.peakPerSecond = Math.max(this.peakPerSecond, this.perSecond);
    this.perSecond = 0;
  }

  down(): void {
    this.behaviour.up = false;
    this.#queue.length = 0;
    this.#running = 0;
    for (const session of [...this.#sessions]) session.break();
  }

  up(): void {
    this.behaviour.up = true;
  }

  /** A connection, or the error of one that cannot be had; a round trip away. */
  async open(host: Omit<SessionHost, "tls" | "alpn">): Promise<SimSession> {
    await new Promise<void>((resolve) => this.clock.after(0.5, resolve));
    if (!this.behaviour.up) throw new UpstreamError("refused", "refused", { upstream: host.upstream });
    const session = new SimSession(this, host, (one) => this.#sessions.delete(one));
    this.#sessions.add(session);
    return session;
  }

  /** Serves one request; `done` gets its status, unless the server goes down before. */
  serve(done: (status: number) => void): void {
    this.received++;
    this.perSecond++;
    const { failing, serviceMs } = this.behaviour;
    if (failing > 0 && this.clock.random() < failing) return void this.clock.after(0.2, () => done(500));
    const run = () => {
      this.#running++;
      this.clock.after(this.clock.exponential(serviceMs), () => {
        if (!this.behaviour.up) return;
        this.#running--;
        done(200);
        this.#queue.shift()?.();
      });
    };
    if (this.#running < this.#atOnce) run();
    else if (this.#queue.length < this.#queueMost) this.#queue.push(run);
    else this.clock.after(0.2, () => done(503));
  }
}

/** One request at a time, as HTTP/1.1. */
export class SimSession implements Session<null, number> {
  readonly capacity = 1;
  open = true;
  readonly #server: SimServer;
  readonly #host: Omit<SessionHost, "tls" | "alpn">;
  readonly #gone: (session: SimSession) => void;
  #attempt: SimAttempt | undefined;
  #since = 0;

  constructor(
    server: SimServer,
    host: Omit<SessionHost, "tls" | "alpn">,
    gone: (session: SimSession) => void,
  ) {
    this.#server = server;
    this.#host = host;
    this.#gone = gone;
  }

  get inflight(): number {
    return this.#attempt ? 1 : 0;
  }

  get waitingSince(): number {
    return this.#attempt ? this.#since : 0;
  }

  start(attempt: SimAttempt): void {
    this.#attempt = attempt;
    this.#since = this.#host.clock.now();
    attempt.sent = true;
    this.#server.serve((status) => {
      if (this.#attempt !== attempt) return;
      this.#attempt = undefined;
      attempt.succeed(status);
      attempt.release();
      this.#host.changed();
    });
  }

  abandon(attempt: SimAttempt): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    attempt.release();
    this.close();
  }

  break(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt) attempt.fail(new UpstreamError("reset", "the server is gone", { sent: true }));
    this.close();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#gone(this);
    this.#host.changed();
  }
}
