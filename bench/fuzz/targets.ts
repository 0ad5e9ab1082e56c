/** Everything that is fuzzed, in the order of the table. */
import { otherTargets } from "./other_targets.ts";
import { spoolTargets } from "./spool_targets.ts";
import type { Target } from "./target.ts";
import { thriftTargets } from "./thrift_targets.ts";

// deno-lint-ignore no-explicit-any
type AnyTarget = Target<any>;

/** All parsers; a full run has a million and more cases of Thrift, and two million of the others. */
export async function targets(): Promise<AnyTarget[]> {
  return [...await thriftTargets(), ...await otherTargets(), ...spoolTargets()];
}
