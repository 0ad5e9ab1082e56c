/**
 * What one entry of the table of endpoints is: a path, what it takes to ask for it, and a function from what the governor
 * sees to a document. Nothing here knows of HTTP beyond that; app.ts turns the table into a server.
 */

import type { Document } from "./document.ts";
import type { Tier } from "./guard.ts";
import type { Sight } from "./sight.ts";

/** What was asked beyond the path's shape. */
export interface Ask {
  /** Parts of the path: `name` of `/listeners/:name`. */
  params: Readonly<Record<string, string>>;
  /** The query; for a POST with the fields of its body on top. */
  query: URLSearchParams;
  /** Scheme and authority that the asker used, for example lines. */
  base: string;
}

/** One entry of the table. */
export interface Endpoint {
  method: "GET" | "POST";
  /** A path of the router, parameters as `:name`. */
  path: string;
  title: string;
  /** One sentence for the index. */
  summary: string;
  tier: Tier;
  /** In the navigation of every page. */
  nav?: boolean;
  /** A query worth trying, for the index: `?listener=api`. */
  example?: string;
  /** The paths that exist now, where `path` has parameters. */
  paths?(sight: Sight): string[];
  render(sight: Sight, ask: Ask): Document | Promise<Document>;
}

/** A page that says no. */
export function complaint(status: number, title: string, text: string): Document {
  return {
    title,
    status,
    sections: [{ kind: "block", key: "error", title: "", text }],
    plain: { contentType: "text/plain; charset=utf-8", text: text + "\n" },
  };
}
