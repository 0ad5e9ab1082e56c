/**
 * The manifest: YAML or an object in, Plan and diagnostics out.
 *
 * Loads the YAML parser and the schema library, so only the supervisor and the command line import it. Children
 * import plan.ts (types) and redact_plan.ts, which load nothing.
 */
export { compile, compileFile, type CompileOptions, type CompileResult } from "./compile.ts";
export type { Diagnostic } from "./diagnostic.ts";
export { formatDiagnostic, formatDiagnostics, type FormatOptions } from "./format_diagnostic.ts";
export { redacted, redactPlan } from "./redact_plan.ts";
export type { Place, Places } from "./places.ts";
export { grantedCores } from "./granted_cores.ts";
export type * from "./plan.ts";
export { type Difference, diffPlans } from "./diff_plans.ts";
export {
  explain,
  type ExplainedPart,
  type ExplainedValue,
  type Explanation,
  renderExplanation,
} from "./explain.ts";
export { type StackPart, type StackValue, upstreamStack } from "./explain_upstream.ts";
export { jsonSchema } from "./json_schema.ts";
export { unavailable } from "./unavailable.ts";
