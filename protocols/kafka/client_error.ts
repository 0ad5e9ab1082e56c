/**
 * What a member of a consumer group has to know of a failure: whether it still is a member. Reads the errors of the
 * client library, which wraps them in one another, without knowing the library.
 */
import { failureOf } from "./failure.ts";

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

/** By the names of Kafka's error codes. */
const failures: Readonly<Record<string, ClientFailure>> = {
  REBALANCE_IN_PROGRESS: "rebalance",
  UNKNOWN_MEMBER_ID: "lost",
  ILLEGAL_GENERATION: "lost",
  FENCED_INSTANCE_ID: "lost",
  INCONSISTENT_GROUP_PROTOCOL: "trouble",
  NOT_COORDINATOR: "coordinator",
  COORDINATOR_NOT_AVAILABLE: "coordinator",
  COORDINATOR_LOAD_IN_PROGRESS: "coordinator",
  OFFSET_OUT_OF_RANGE: "offsets",
  NOT_LEADER_OR_FOLLOWER: "leader",
  LEADER_NOT_AVAILABLE: "leader",
  FENCED_LEADER_EPOCH: "leader",
  UNKNOWN_LEADER_EPOCH: "leader",
  UNKNOWN_TOPIC_OR_PARTITION: "leader",
  UNKNOWN_TOPIC_ID: "leader",
  KAFKA_STORAGE_ERROR: "leader",
  REPLICA_NOT_AVAILABLE: "leader",
};

/** Of an error by its name in Kafka. */
export function failureNamed(name: string): ClientFailure {
  return failures[name] ?? "trouble";
}

type LibraryError = Error & {
  errors?: LibraryError[];
  apiId?: string;
  memberId?: string;
  response?: unknown;
};

/** All errors within `error`, itself first. */
function* within(error: unknown): Generator<LibraryError> {
  if (!(error instanceof Error)) return;
  yield error as LibraryError;
  for (const inner of (error as LibraryError).errors ?? []) yield* within(inner);
  if (error.cause) yield* within(error.cause);
}

/** What an error of the library means. */
export function clientErrorOf(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  for (const one of within(error)) {
    const failure = one.apiId === undefined ? undefined : failures[one.apiId];
    if (failure && failure !== "trouble") {
      return new ClientError(failure, `${one.apiId}: ${one.message}`, error);
    }
  }
  return new ClientError("trouble", failureOf(error).text, error);
}

/** Whether a broker said so. */
export function isAnswer(error: unknown): boolean {
  return [...within(error)].some(({ apiId }) => apiId !== undefined);
}

/** The answer that holds the errors; undefined where there is none. */
export function responseOf(error: unknown): unknown {
  return [...within(error)].find(({ response }) => response !== undefined)?.response;
}

/** The id that a broker gives to whoever joins without one. */
export function memberIdOf(error: unknown): string {
  const found = [...within(error)].find(({ apiId }) => apiId === "MEMBER_ID_REQUIRED");
  return found?.memberId ?? "";
}
