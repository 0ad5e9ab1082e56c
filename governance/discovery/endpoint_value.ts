/**
 * The settings of one endpoint as files and registries give them: address, weight, role, priority; the same bounds as in
 * the manifest. Pure.
 */
import type { EndpointSpec } from "../../core/endpoint.ts";
import { endpointAddress } from "./endpoint_address.ts";

/** Keys of a written endpoint. */
export const endpointKeys = ["address", "weight", "role", "priority"] as const;

/** What is wrong with a written endpoint, and with which of its keys; "" with all of it. */
export class EndpointValueError extends SyntaxError {
  readonly key: string;

  constructor(message: string, key = "") {
    super(message);
    this.key = key;
  }
}

/** An endpoint from `value`: text, or a map of settings. Unknown keys are an error only where `strict`. */
export function endpointFrom(
  value: unknown,
  { strict = false, directory }: { strict?: boolean; directory?: string } = {},
): EndpointSpec {
  if (typeof value === "string") {
    return { address: address(value, "", directory), weight: 1, role: null, priority: 0 };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new EndpointValueError("an endpoint is an address or { address, weight, role, priority }");
  }
  const map = value as Record<string, unknown>;
  if (strict) {
    const unknown = Object.keys(map).find((key) => !(endpointKeys as readonly string[]).includes(key));
    if (unknown !== undefined) {
      throw new EndpointValueError(
        `unknown key ${JSON.stringify(unknown)}; known: ${endpointKeys.join(", ")}`,
        unknown,
      );
    }
  }
  if (typeof map.address !== "string") throw new EndpointValueError("`address` is missing or no text");
  return {
    address: address(map.address, "address", directory),
    weight: number(map, "weight", 1, (weight) => weight > 0 && weight <= 1000, "above 0 and at most 1000"),
    role: role(map.role),
    priority: number(
      map,
      "priority",
      0,
      (priority) => Number.isInteger(priority) && priority >= 0 && priority <= 100,
      "a whole number from 0 to 100",
    ),
  };
}

function address(text: string, key: string, directory?: string): string {
  try {
    return endpointAddress(text, directory);
  } catch (error) {
    throw new EndpointValueError((error as Error).message, key);
  }
}

function number(
  map: Record<string, unknown>,
  key: string,
  absent: number,
  good: (value: number) => boolean,
  expected: string,
): number {
  const value = map[key];
  if (value === undefined || value === null) return absent;
  if (typeof value === "number" && good(value)) return value;
  throw new EndpointValueError(`\`${key}\` must be ${expected}`, key);
}

function role(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && /^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(value)) return value;
  throw new EndpointValueError("`role` must be a name such as replica", "role");
}
