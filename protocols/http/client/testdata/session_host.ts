/** A host and attempts for sessions without a pool. */
import { systemClock } from "../../../../core/clock.ts";
import type { Log } from "../../../../core/context.ts";
import { Endpoint } from "../../../../core/endpoint.ts";
import type { UpstreamPlan } from "../../../../core/manifest/plan.ts";
import type { Attempt, SessionHost } from "../../../../core/upstream/contract.ts";
import type { UpstreamError } from "../../../../core/upstream_error.ts";
import type { HttpReply, HttpRequest } from "../message.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** The parts of a plan that sessions look at. */
export function planOf(changes: { pipeline?: number; head?: number } = {}): UpstreamPlan {
  return {
    protocol: "http",
    http2: false,
    tls: null,
    pool: { pipeline: changes.pipeline ?? 1 },
    limits: { head: changes.head ?? 65_536, reply: 65_536 },
    timeouts: { connect: 250, attempt: 1000, total: 3000, body: 60_000 },
    health: {},
  } as unknown as UpstreamPlan;
}

export interface TestHost extends SessionHost {
  changes: number;
}

export function hostFor(address: string, plan = planOf()): TestHost {
  return {
    upstream: "test",
    endpoint: new Endpoint(0, { address, weight: 1, role: null, priority: 0 }),
    plan,
    clock: systemClock,
    log: silent,
    tls: false,
    alpn: "",
    changes: 0,
    changed() {
      this.changes++;
    },
  };
}

export function requestOf(changes: Partial<HttpRequest> = {}): HttpRequest {
  return { method: "GET", target: "/", host: "", headers: [], body: null, bodyBytes: -1, ...changes };
}

/** An attempt that counts what happens to it. */
export class TestAttempt implements Attempt<HttpRequest, HttpReply> {
  readonly request: HttpRequest;
  readonly timeoutAt = Infinity;
  sent = false;
  settled = 0;
  releases = 0;
  readonly reply: Promise<HttpReply>;
  readonly released: Promise<void>;
  #resolve!: (reply: HttpReply) => void;
  #reject!: (error: UpstreamError) => void;
  #onRelease!: () => void;

  constructor(changes: Partial<HttpRequest> = {}) {
    this.request = requestOf(changes);
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.reply.catch(() => {});
    this.released = new Promise((resolve) => this.#onRelease = resolve);
  }

  succeed(reply: HttpReply): void {
    this.settled++;
    this.#resolve(reply);
  }

  fail(error: UpstreamError): void {
    this.settled++;
    this.#reject(error);
    this.release();
  }

  release(): void {
    this.releases++;
    this.#onRelease();
  }
}
