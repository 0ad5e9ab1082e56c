/**
 * Takes the manifest's secrets out of finished pages. The Plan is redacted by its schema before it is shown; this catches
 * what came another way: the last words of a process, a log line, an error text.
 */

import { redacted } from "../core/manifest/redact_plan.ts";
import { escape } from "./render_html.ts";

/** Returns `text` without secrets. */
export type Scrubber = (text: string) => string;

/** Shorter ones would take ordinary words out of every page. */
const minLength = 6;

/** A scrubber for the values that stand at `secrets` (paths) of `plan`. */
export function makeScrubber(plan: { secrets: readonly string[] }): Scrubber {
  const paths = new Set(plan.secrets);
  const found = new Set<string>();
  collect(plan, "", paths, found);
  const spellings = new Set([...found].flatMap((secret) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    escape(secret),
    encodeURIComponent(secret),
  ]));
  // Longest first: one secret may begin with another.
  const ordered = [...spellings].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((clean, secret) => clean.replaceAll(secret, redacted), text);
}

function collect(value: unknown, path: string, paths: ReadonlySet<string>, found: Set<string>): void {
  if (typeof value === "string") {
    if (paths.has(path) && value.length >= minLength) found.add(value);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    collect(item, path === "" ? key : `${path}.${key}`, paths, found);
  }
}
