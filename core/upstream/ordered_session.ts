/**
 * What sessions of protocols have in common whose replies come in the order of their requests: the attempts that wait,
 * those that were given up, and the one end of the connection.
 *
 * Of an attempt that was given up the reply is skipped when it comes; does it take longer than `timeouts.total`, the
 * connection ends, for then it is the connection that is ill. Nothing is sent twice here: an attempt that ends with the
 * connection says whether it was sent, and the caller decides.
 */
import { type FailureKind, UpstreamError } from "../upstream_error.ts";
import type { Attempt, Session, SessionHost } from "./contract.ts";
import { Pending } from "./pending.ts";

/** See the module's header. The protocol's own part writes and reads, and calls `settle` for each reply. */
export abstract class OrderedSession<Request, Reply> implements Session<Request, Reply> {
  protected readonly host: SessionHost;
  protected readonly pending = new Pending<Attempt<Request, Reply>>();
  /** How many of those that wait, counted from the oldest, were sent. */
  #sent = 0;
  /** Given up, in their place; few at any time. */
  readonly #abandoned = new Set<Attempt<Request, Reply>>();
  #cancelWatch: (() => void) | undefined;
  #cancelPing: (() => void) | undefined;
  #closing = false;
  #ended = false;

  constructor(host: SessionHost) {
    this.host = host;
  }

  abstract readonly capacity: number;
  abstract start(attempt: Attempt<Request, Reply>): void;
  /** The connection is over: lets go of it. Called once. */
  protected abstract disconnect(): void;

  get inflight(): number {
    return this.pending.size;
  }

  get open(): boolean {
    return !this.#closing && !this.#ended;
  }

  get waitingSince(): number {
    return this.pending.since;
  }

  /** True once the connection is over. */
  protected get ended(): boolean {
    return this.#ended;
  }

  abandon(attempt: Attempt<Request, Reply>): void {
    if (this.#ended) return;
    this.#abandoned.add(attempt);
    this.#watch();
  }

  close(now = false): void {
    if (this.#ended) return;
    if (now || this.pending.size === 0) return this.end("reset", "it was closed");
    if (this.#closing) return;
    this.#closing = true;
    this.host.changed();
  }

  /** Sends `request` on an idle session; whatever is answered within `timeoutMs` is good, nothing ends it. */
  protected askWhetherItLives(request: Request, timeoutMs: number): void {
    if (!this.open || this.pending.size > 0) return;
    const late = () => this.end("timeout", `no answer to a heartbeat within ${timeoutMs} ms`);
    this.#cancelPing = this.host.clock.after(timeoutMs, late);
    const answered = () => {
      this.#cancelPing?.();
      this.#cancelPing = undefined;
    };
    this.start({
      request,
      timeoutAt: Infinity,
      sent: false,
      succeed: answered,
      fail: answered,
      release() {},
    });
  }

  /** All that wait are about to be written. */
  protected markSent(): void {
    const { pending } = this;
    const { size } = pending;
    for (let index = this.#sent; index < size; index++) pending.at(index)!.sent = true;
    this.#sent = size;
  }

  /** The reply of the oldest attempt. */
  protected settle(reply: Reply): void {
    const { pending } = this;
    const attempt = pending.first!;
    pending.shift();
    this.#sent--;
    if (this.#abandoned.size === 0 || !this.#abandoned.delete(attempt)) attempt.succeed(reply);
    attempt.release();
    if (this.#closing && pending.size === 0) this.end("reset", "it was closed");
    else this.host.changed();
  }

  /** The one end: the oldest attempt fails with `failure`, those behind it with `reset`. */
  protected end(failure: FailureKind, text: string, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelWatch?.();
    this.#cancelPing?.();
    this.disconnect();
    const { pending } = this;
    const sent = this.#sent;
    for (let index = 0, left = pending.size; index < left; index++) {
      const attempt = pending.first!;
      pending.shift();
      if (this.#abandoned.delete(attempt)) attempt.release();
      else attempt.fail(this.error(index === 0 ? failure : "reset", text, index < sent, cause));
    }
    this.host.changed();
  }

  protected error(failure: FailureKind, text: string, sent: boolean, cause?: unknown): UpstreamError {
    const { upstream, endpoint } = this.host;
    const { address } = endpoint.spec;
    return new UpstreamError(
      failure,
      `The connection to ${address} of upstreams.${upstream} ended: ${text}`,
      {
        upstream,
        endpoint: address,
        sent,
        cause,
      },
    );
  }

  /** Looks, once it may be too late, whether the reply that is to be skipped has come. */
  #watch(): void {
    if (this.#cancelWatch) return;
    const { clock, plan } = this.host;
    const mostMs = plan.timeouts.total;
    const look = () => {
      this.#cancelWatch = undefined;
      if (this.#ended || this.#abandoned.size === 0) return;
      if (clock.now() - this.pending.since < mostMs) return this.#watch();
      this.end("timeout", `a reply that was given up did not come within ${mostMs} ms`);
    };
    this.#cancelWatch = clock.after(Math.max(1, mostMs - (clock.now() - this.pending.since)), look);
  }
}
