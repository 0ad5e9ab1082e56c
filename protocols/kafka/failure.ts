/** What an error of the client library means. It wraps errors in errors, several levels deep; nothing of it is thrown on. */

/** A failure as the library shows it, its innermost causes flattened. */
export interface Failure {
  /** What is told: the last innermost error, at most {@link longest} characters. */
  readonly text: string;
  /** Kafka's names of the errors that brokers answered (`MESSAGE_TOO_LARGE`), and the library's names of its own. */
  readonly codes: ReadonlySet<string>;
  /** Answers to a produce request that hold errors. */
  readonly responses: readonly ProduceResponse[];
}

/** As far as it is looked at. */
export interface ProduceResponse {
  responses?: ReadonlyArray<{
    partitionResponses?: ReadonlyArray<{
      index: number;
      errorCode: number;
      recordErrors?: ReadonlyArray<{ batchIndex: number }>;
    }>;
  }>;
}

interface Wrapped extends Error {
  code?: string;
  apiId?: string;
  serverErrorMessage?: string | null;
  errors?: unknown[];
  response?: ProduceResponse;
}

const longest = 200;
/** Retries add an error each, and each may be a tree. */
const mostErrors = 1000;

/** Never throws. */
export function failureOf(error: unknown): Failure {
  const codes = new Set<string>();
  const responses: ProduceResponse[] = [];
  let text = "";
  const waiting: unknown[] = [error];
  for (let i = 0; i < waiting.length && i < mostErrors; i++) {
    const each = waiting[i] as Wrapped | undefined;
    if (typeof each !== "object" || each === null) continue;
    if (each.apiId) codes.add(each.apiId);
    if (each.code) codes.add(each.code);
    if (each.response) responses.push(each.response);
    const inner = [
      ...Array.isArray(each.errors) ? each.errors : [],
      ...each.cause === undefined ? [] : [each.cause],
    ];
    if (inner.length > 0) waiting.push(...inner);
    else text = textOf(each);
  }
  return { text: (text || String(error)).slice(0, longest), codes, responses };
}

function textOf({ apiId, serverErrorMessage, message, code }: Wrapped): string {
  const said = serverErrorMessage || message || code || "it says nothing";
  return apiId ? `${apiId}: ${said}` : said;
}
