/**
 * Carries out the active probes that health asks for: the protocol's own request over a connection of the pool, so that a
 * good probe leaves a warm connection behind. One at a time per endpoint, each with `health.probe.timeout`.
 */
import type { Endpoint } from "../endpoint.ts";
import type { UpstreamPlan } from "../manifest/plan.ts";
import { UpstreamError } from "../upstream_error.ts";
import { type Health, Pass, type UpstreamProtocol } from "./contract.ts";
import type { SessionPool } from "./session_pool.ts";
import { Try, type TryOwner } from "./try.ts";

/** See the module's header. */
export class Prober implements TryOwner {
  // deno-lint-ignore no-explicit-any
  readonly #protocol: UpstreamProtocol<any, any, any>;
  readonly #timeoutMs: number;
  readonly #probe: { request: unknown; good(reply: unknown): boolean } | undefined;
  readonly #health: Health;
  readonly #running = new Map<Endpoint, Try>();

  // deno-lint-ignore no-explicit-any
  constructor(protocol: UpstreamProtocol<any, any, any>, plan: UpstreamPlan, health: Health) {
    this.#protocol = protocol;
    this.#health = health;
    this.#timeoutMs = plan.health.probe?.timeout ?? 0;
    this.#probe = plan.health.probe ? protocol.probe(plan) : undefined;
  }

  probe(endpoint: Endpoint, pool: SessionPool, now: number): void {
    if (!this.#probe || this.#running.has(endpoint)) return;
    const { request } = this.#probe;
    const one = new Try(
      this,
      undefined,
      request,
      pool,
      now,
      now + this.#timeoutMs,
      false,
      false,
      undefined,
      Pass.yes,
    );
    this.#running.set(endpoint, one);
    one.begin(now);
  }

  tick(now: number): void {
    for (const [endpoint, one] of this.#running) {
      if (one.settled || one.timeoutAt > now) continue;
      one.abandon();
      this.#running.delete(endpoint);
      this.#health.probed(endpoint, false, "no answer to the probe in time");
    }
  }

  succeeded(one: Try, reply: unknown): void {
    this.#running.delete(one.endpoint);
    const good = this.#probe!.good(reply);
    const { status } = this.#protocol.judge(reply);
    this.#protocol.discard?.(reply);
    this.#health.probed(
      one.endpoint,
      good,
      good ? "" : `the probe was answered with ${status || "an error"}`,
    );
  }

  failed(one: Try, error: UpstreamError): void {
    this.#running.delete(one.endpoint);
    if (error.failure === "full") {
      // All connections are busy: whoever is busy lives. Without any, it is this process that has no descriptor left.
      if (one.pool.size > 0) this.#health.probed(one.endpoint, true, "");
      return;
    }
    this.#health.probed(one.endpoint, false, error.message);
  }

  released(): void {}
}
