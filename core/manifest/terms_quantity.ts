/** Quantities as schemas: text with a unit in the manifest, a number in the Plan. The units themselves are in unit.ts. */
import { z } from "zod";
import { kinds, nameOf, quote, withProposals } from "./terms.ts";
import {
  formatQuantity,
  isQuantity,
  maxDurationMs,
  parseQuantity,
  proposeQuantity,
  type Unit,
  unitExamples,
  unitPatterns,
} from "./unit.ts";

interface QuantityRule {
  /** Refuse zero. */
  positive?: boolean;
  /** Refuse less than this, in the manifest's notation. */
  min?: string;
  /** Refuse more than this, in the manifest's notation. */
  max?: string;
}

function quantity(unit: Unit, rule: QuantityRule) {
  const positive = rule.positive ?? rule.min !== undefined;
  const pattern = positive ? unitPatterns[unit].replace("^(?:0|", "^(?=.*[1-9])(?:") : unitPatterns[unit];
  const least = rule.min === undefined ? 0 : parseQuantity(unit, rule.min);
  const most = rule.max === undefined
    ? (unit === "duration" ? maxDurationMs : Infinity)
    : parseQuantity(unit, rule.max);
  const error = (issue: { input?: unknown }) => quantityError(unit, positive, issue.input);
  const text = z.string({ error }).regex(new RegExp(pattern), { error, abort: true });
  const written: z.ZodType<string | 0, string | 0> = positive
    ? text
    : z.union([text, z.literal(0)], { error });
  const schema = written
    .transform((value, context) => {
      const result = value === 0 ? 0 : parseQuantity(unit, value);
      const said = least > result
        ? `must be at least ${rule.min}`
        : result > most
        ? `must be at most ${rule.max ?? formatQuantity("duration", most)}`
        : result > Number.MAX_SAFE_INTEGER
        ? `is too large`
        : undefined;
      if (said) context.issues.push({ code: "custom", message: `${said}, but is ${value}`, input: value });
      return result;
    });
  kinds.add(schema, { kind: unit });
  return schema;
}

function quantityError(unit: Unit, positive: boolean, input: unknown): string {
  const zero = input === 0 || (typeof input === "string" && isQuantity(unit, input));
  if (positive && zero) return "must be more than zero";
  if (input === undefined) return "is required";
  const name = unit === "share" ? "a share" : `a ${unit}`;
  const text = `must be ${name} such as ${unitExamples[unit]}`;
  if (typeof input === "number") {
    return withProposals(`needs a unit: ${text.slice(8)}`, proposeQuantity(unit, input));
  }
  if (typeof input !== "string") return `${text}, but is ${nameOf(input)}`;
  const bare = /^[0-9]+(\.[0-9]+)?$/.test(input);
  return withProposals(
    bare ? `needs a unit: ${text.slice(8)}` : `${text}, but is ${quote(input)}`,
    proposeQuantity(unit, input),
  );
}

/** Milliseconds. */
export const duration = (rule: QuantityRule = {}) => quantity("duration", rule);
/** Bytes. */
export const size = (rule: QuantityRule = {}) => quantity("size", rule);
/** Per second. */
export const rate = (rule: QuantityRule = {}) => quantity("rate", rule);
/** A fraction from 0 to 1. */
export const share = (rule: QuantityRule = {}) => quantity("share", rule);
