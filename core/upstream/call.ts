/**
 * One call on its way: its limits, what it has tried, who waits for it. An entry of the caller's list of calls in flight,
 * which is swept for all that is a matter of time.
 */
import type { Endpoint } from "../endpoint.ts";
import type { CallOptions, CallOwner, Picking } from "./contract.ts";
import type { UpstreamError } from "../upstream_error.ts";
import type { Try } from "./try.ts";

const nobody: readonly Endpoint[] = [];

/** See the module's header. */
export class UpstreamCall implements Picking {
  readonly request: unknown;
  readonly owner: CallOwner;
  readonly options: CallOptions;
  readonly startedAt: number;
  deadlineAt: number;
  resolve!: (reply: unknown) => void;
  reject!: (error: UpstreamError) => void;
  attempts = 0;
  /** Those of them that met a connection which was ending anyway and are not held against it. */
  forgiven = 0;
  tried: Endpoint[] | typeof nobody = nobody;
  /** Failures of earlier attempts. */
  errors: UpstreamError[] | undefined;
  current: Try | undefined;
  second: Try | undefined;
  /** When the next attempt is due; 0 where none is waited for. */
  retryAt = 0;
  /** When a second attempt may start beside the first. */
  hedgeAt = Infinity;
  /** Whether it holds a place of the throttle. */
  throttled = false;
  ended = false;
  previous: UpstreamCall | undefined;
  next: UpstreamCall | undefined;

  constructor(
    request: unknown,
    owner: CallOwner,
    options: CallOptions,
    startedAt: number,
    deadlineAt: number,
  ) {
    this.request = request;
    this.owner = owner;
    this.options = options;
    this.startedAt = startedAt;
    this.deadlineAt = deadlineAt;
  }

  get role(): string | null {
    return this.options.role ?? null;
  }

  get key(): string | undefined {
    return this.options.key;
  }

  /** Remembers who was asked, for the choice of the next one. */
  asked(endpoint: Endpoint): void {
    if (this.tried === nobody) this.tried = [endpoint];
    else (this.tried as Endpoint[]).push(endpoint);
  }
}
