/**
 * Errors across a thread boundary: name, message, stack, cause and own plain properties survive, and so does the class
 * where it is one that both sides have. Structured clone loses names and properties, therefore this.
 */
import { ServiceError } from "../errors.ts";
import type { Reason } from "../reasons.ts";

/** An error as plain data. */
export interface WireError {
  name: string;
  message: string;
  stack?: string;
  cause?: WireError;
  /** Own JSON-able properties, such as `code`. */
  properties?: Record<string, unknown>;
  service?: { reason: Reason; source: ServiceError["source"]; retryable: boolean };
  /** True when what was thrown was no Error; `message` is its text. */
  thrown?: true;
}

const classes: Record<string, ErrorConstructor> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

const maxDepth = 5;
const maxText = 16 * 1024;

/** Turns anything thrown into plain data. Never throws. */
export function encodeError(error: unknown, depth = 0): WireError {
  try {
    if (!(error instanceof Error)) return { name: "Error", message: textOf(error), thrown: true };
    const wire: WireError = { name: textOf(error.name), message: textOf(error.message) };
    if (typeof error.stack === "string") wire.stack = textOf(error.stack);
    if (error.cause !== undefined && depth < maxDepth) wire.cause = encodeError(error.cause, depth + 1);
    if (error instanceof ServiceError) {
      wire.service = { reason: error.reason, source: error.source, retryable: error.retryable };
    } else {
      const properties = plainProperties(error);
      if (properties !== undefined) wire.properties = properties;
    }
    return wire;
  } catch {
    return { name: "Error", message: "an error that could not be read", thrown: true };
  }
}

function plainProperties(error: Error): Record<string, unknown> | undefined {
  let properties: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(error)) {
    if (key === "name" || key === "message" || key === "stack" || key === "cause") continue;
    const json = JSON.stringify(value);
    if (json === undefined || json.length > maxText) continue;
    (properties ??= {})[key] = JSON.parse(json);
  }
  return properties;
}

function textOf(value: unknown): string {
  const text = String(value);
  return text.length > maxText ? `${text.slice(0, maxText)}…` : text;
}

/** Turns plain data back into an error with the stack of the thread that threw it. */
export function decodeError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : decodeError(wire.cause);
  const error = wire.service === undefined
    ? new (classes[wire.name] ?? Error)(wire.message, cause === undefined ? undefined : { cause })
    : new ServiceError(wire.service.reason, wire.message, { ...wire.service, cause });
  if (error.name !== wire.name) define(error, "name", wire.name);
  if (wire.stack !== undefined) define(error, "stack", wire.stack);
  for (const [key, value] of Object.entries(wire.properties ?? {})) define(error, key, value);
  return error;
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    writable: true,
    configurable: true,
    enumerable: key !== "name" && key !== "stack",
  });
}
