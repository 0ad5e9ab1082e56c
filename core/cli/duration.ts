/** A duration as the manifest writes it, for options: `10m`, `1m30s`, `250ms`. */
import { isQuantity, parseQuantity } from "../manifest/unit.ts";
import { UsageError } from "./command.ts";

/** Milliseconds. Throws UsageError for anything else than a duration. */
export function parseDuration(text: string): number {
  if (isQuantity("duration", text)) return parseQuantity("duration", text);
  throw new UsageError(`\`${text}\` is no duration: write 10m, 90s or 500ms`);
}
