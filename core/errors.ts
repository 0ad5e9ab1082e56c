/**
 * The two ways a request can end without an answer: a {@link Refusal}, which is a value (nothing failed, the service
 * declined), and a {@link ServiceError}, which is thrown. Programmer and input errors are TypeError, RangeError or
 * SyntaxError, never these.
 */
import { type Reason, reasons } from "./reasons.ts";

/** A request that was declined; returned, never thrown, so that declining costs nothing under overload. */
export class Refusal {
  readonly reason: Reason;
  /** When the caller may try again, in ms from now; 0 where nobody knows. */
  readonly retryAfterMs: number;

  constructor(reason: Reason, retryAfterMs = 0) {
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** The HTTP status of the reason. */
  get status(): number {
    return reasons[this.reason].status;
  }
}

/** What went wrong while serving, with its place in the reasons table. */
export class ServiceError extends Error {
  override readonly name: string = "ServiceError";
  readonly reason: Reason;
  readonly source: "client" | "upstream" | "internal";
  /** Whether trying again is safe and useful. Never leaves the process. */
  readonly retryable: boolean;

  constructor(
    reason: Reason,
    message: string,
    options: { source?: "client" | "upstream" | "internal"; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.source = options.source ?? "internal";
    this.retryable = options.retryable ?? false;
  }
}
