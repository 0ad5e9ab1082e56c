/**
 * The one error of upstream calls. Its `failure` says what went wrong, `sent` whether the upstream may have seen the
 * request, its reason what the caller's own client gets to see.
 */
import { ServiceError } from "./errors.ts";
import type { Reason } from "./reasons.ts";

/** What can go wrong with an attempt or a call. */
export const failures = {
  /** The name has no address. */
  resolve: "upstream_connect",
  /** No connection within `timeouts.connect`, or the network said no. */
  connect: "upstream_connect",
  /** The peer refused the connection. */
  refused: "upstream_connect",
  /** The TLS handshake failed: certificate, name, protocol. */
  tls: "upstream_connect",
  /** The request could not be written. */
  write: "upstream_reset",
  /** The connection ended before the reply was complete. */
  reset: "upstream_reset",
  /** No reply within `timeouts.attempt` or `timeouts.total`. */
  timeout: "upstream_timeout",
  /** The reply does not follow the protocol, or is larger than allowed. */
  protocol: "upstream_protocol",
  /** The upstream answered that it failed (HTTP 5xx and the like); kept as a failure only by health and breaker. */
  status: "upstream_failed",
  /** Nobody to ask: no endpoint is known or usable. */
  unavailable: "upstream_unavailable",
  /** No free connection within `pool.wait`, as many wait as may, or no descriptor is left here. Local: says nothing of the endpoint. */
  full: "upstream_full",
  /** The breaker is open. Local. */
  breaker: "breaker_open",
  /** The throttle's queue is full or its wait over. Local. */
  throttle: "upstream_throttled",
  /** The caller's own deadline passed before anything could be sent. Local. */
  deadline: "deadline",
  /** The caller gave up. Local. */
  cancelled: "client_left",
} as const satisfies Record<string, Reason>;

/** A key of {@link failures}. */
export type FailureKind = keyof typeof failures;

const local: ReadonlySet<FailureKind> = new Set([
  "full",
  "breaker",
  "throttle",
  "deadline",
  "cancelled",
  "unavailable",
]);

/** True for failures that say nothing about an endpoint: they count neither for health nor for breakers. */
export function isLocal(failure: FailureKind): boolean {
  return local.has(failure);
}

/** What else an {@link UpstreamError} can carry. */
export interface UpstreamErrorOptions {
  upstream?: string;
  /** Address of the endpoint; empty where none was picked. */
  endpoint?: string;
  /** Whether bytes of the request may have reached the upstream. */
  sent?: boolean;
  /**
   * The connection was in use or idle before, and its peer ended it without a byte of this reply: most likely it was
   * closing already when the request came (RFC 9110 section 9.3.1, RFC 9112 section 9.3.1).
   */
  stale?: boolean;
  /** When to come back, ms from now; 0 where nobody said. */
  retryAfterMs?: number;
  cause?: unknown;
}

/** A call to an upstream that did not succeed. */
export class UpstreamError extends ServiceError {
  override readonly name = "UpstreamError";
  readonly failure: FailureKind;
  readonly upstream: string;
  readonly endpoint: string;
  readonly sent: boolean;
  /** See {@link UpstreamErrorOptions.stale}. */
  readonly stale: boolean;
  readonly retryAfterMs: number;
  /** Failures of the earlier attempts of the same call, first one first. */
  attempts: readonly UpstreamError[] = [];

  constructor(failure: FailureKind, message: string, options: UpstreamErrorOptions = {}) {
    super(failures[failure], message, { source: "upstream", retryable: !options.sent, cause: options.cause });
    this.failure = failure;
    this.upstream = options.upstream ?? "";
    this.endpoint = options.endpoint ?? "";
    this.sent = options.sent ?? false;
    this.stale = options.stale ?? false;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
