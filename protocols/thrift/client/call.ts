/** One call on its way to an upstream, and the ways in which it can come back with an error. */
import { type Reason, reasons } from "../../../core/reasons.ts";
import type { Verdict } from "../../../core/upstream/contract.ts";
import { applicationErrors, ApplicationException } from "../application_exception.ts";
import type { MethodCodec } from "../service_codec.ts";
import type { Mode } from "../wire/transport.ts";

/** What sessions send: encoded once, however often it is tried. */
export interface ThriftCall {
  readonly method: MethodCodec;
  readonly values: Readonly<Record<string, unknown>>;
  /** The same as a struct of {@link protocol}; a fallback may speak another one. */
  readonly args: Uint8Array;
  readonly protocol: Mode["protocol"];
  /** For the request header of tracking. */
  readonly id: string;
  readonly rpcId: string;
  readonly meta: Readonly<Record<string, string>> | undefined;
  /** Hears what the response header brings. */
  readonly onReplyMeta: ((meta: Readonly<Record<string, string>>) => void) | undefined;
}

const good: Verdict = Object.freeze({ ok: true, status: 0, retryAfterMs: 0 });

/**
 * A reply that is an error, as sessions deliver it: a thenable that rejects, so that a promise that is resolved with it
 * rejects with the error, and the way of a good reply costs no further promise. No async function returns one.
 */
export class ErrorReply {
  readonly error: Error;
  readonly verdict: Verdict;

  constructor(error: Error, verdict: Verdict = good) {
    this.error = error;
    this.verdict = verdict;
  }

  then(_resolve: unknown, reject: (error: Error) => void): void {
    reject(this.error);
  }
}

/** What `reply` means for health and breakers. */
export function judge(reply: unknown): Verdict {
  return reply instanceof ErrorReply ? reply.verdict : good;
}

/**
 * A TApplicationException. That the server failed (internalError, missingResult) is a failure of the endpoint, with
 * status 500, or the one of the reason that its message begins with where another Weir refused (`queue_full: …`). That
 * it does not know the method, or found something wrong with the message, is none: another endpoint would say the same.
 */
export function applicationError(type: number, message: string): ErrorReply {
  const error = new ApplicationException(type, message);
  if (type !== applicationErrors.internalError && type !== applicationErrors.missingResult) {
    return new ErrorReply(error);
  }
  const code = /^([a-z_]+): /.exec(message)?.[1] ?? "";
  const known = Object.hasOwn(reasons, code) ? reasons[code as Reason] : undefined;
  const status = known?.status || 500;
  // What is said of this very request says nothing of the endpoint.
  return new ErrorReply(error, status < 500 ? good : { ok: false, status, retryAfterMs: 0 });
}
