/** What counts as an HTTP handler: a function, or anything with a `fetch` method (Hono, Elysia, oak …) as it is. */
import type { Context } from "../../core/context.ts";

/** Answers a request. */
export type Fetch = (request: Request, context: Context) => Response | Promise<Response>;

/** The function to call; throws TypeError naming `where` when `value` is neither. */
export function toFetch(value: unknown, where: string): Fetch {
  if (typeof value === "function") return value as Fetch;
  const app = value as { fetch?: Fetch } | null;
  if (typeof app === "object" && app !== null && typeof app.fetch === "function") {
    return (request, context) => app.fetch!(request, context);
  }
  throw new TypeError(
    `${where} must be a function or an object with a fetch method, but is ${describe(value)}`,
  );
}

function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return `an object with ${Object.keys(value).join(", ") || "nothing in it"}`;
}
