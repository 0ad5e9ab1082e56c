/** What a member of a consumer group has to know of a failure: whether it still is one. */

/**
 * - `rebalance`: the group makes a new assignment, join again.
 * - `lost`: the group has gone on without this member, or knows a newer generation of it: it owns nothing any more.
 * - `coordinator`: another broker keeps the group, or does not keep it yet.
 * - `offsets`: the offset that was asked for is gone, or was never there.
 * - `leader`: another broker leads the partition.
 * - `trouble`: anything else; the message says what.
 */
export type ClientFailure = "rebalance" | "lost" | "coordinator" | "offsets" | "leader" | "trouble";

/** What every method of a client of the brokers rejects with. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly failure: ClientFailure;

  constructor(failure: ClientFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}
