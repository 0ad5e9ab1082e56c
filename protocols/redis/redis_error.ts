/**
 * An error reply of Redis. To the caller it is a thrown {@link RedisError}; on its way there it is an
 * {@link ErrorReply}, because for everything in between it is a reply like any other: the server is well and in step.
 */

/** Redis refused a command. `code` is the first word of its reply: `WRONGTYPE`, `ERR`, `NOSCRIPT`, … */
export class RedisError extends Error {
  override readonly name = "RedisError";
  readonly code: string;

  /** `text` is the reply as it came, its code included. */
  constructor(text: string) {
    super(text);
    this.code = codeOf(text);
  }

  /** Whether the server says that it cannot work now, not that the command is wrong; see {@link downCodes}. */
  get down(): boolean {
    return downCodes.has(this.code);
  }
}

/**
 * Codes that count as failures of the endpoint, with status 503 for `retry.on`: it loads its data, is blocked by a
 * script, has lost its master or cluster, or has become a replica. The command was not executed. Codes that stop only
 * writes of a server that still answers reads (OOM, MISCONF, NOREPLICAS) are not among them.
 */
export const downCodes: ReadonlySet<string> = new Set([
  "LOADING",
  "BUSY",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "READONLY",
]);

/**
 * An error reply as sessions deliver it. It is a thenable that rejects: a promise that is resolved with it rejects with
 * the RedisError, so the way of a good reply costs no further promise. For the same reason no async function returns one.
 */
export class ErrorReply {
  readonly error: RedisError;

  constructor(error: RedisError) {
    this.error = error;
  }

  then(_resolve: unknown, reject: (error: RedisError) => void): void {
    reject(this.error);
  }
}

function codeOf(text: string): string {
  const end = text.indexOf(" ");
  return end < 0 ? text : text.slice(0, end);
}
