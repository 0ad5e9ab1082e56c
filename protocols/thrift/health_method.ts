/**
 * The method of a service that says whether it is well, answered by the runtime itself: while the worker drains it says
 * so, which no handler could. What it returns depends on what the IDL lets it return:
 *
 * ```
 * bool      true, closing: false
 * string    "ok", closing: "closing"
 * enum      its member OK, ALIVE, UP or SERVING; closing: CLOSING, STOPPING, DRAINING or DOWN
 * void      nothing; closing: TApplicationException "draining"
 * ```
 */
import { Refusal } from "../../core/errors.ts";
import { type Answerable, refusalReply, resultReply } from "./answer.ts";
import type { MethodCodec, ServiceCodec } from "./service_codec.ts";

/** See the module's header. */
export interface HealthMethod {
  readonly method: MethodCodec;
  answer(to: Answerable, closing: boolean): Uint8Array;
}

const well = ["OK", "ALIVE", "UP", "SERVING"];
const closing = ["CLOSING", "STOPPING", "DRAINING", "DOWN"];

/** Throws TypeError where `name` is no method that could say it. */
export function healthMethod(service: ServiceCodec, name: string): HealthMethod {
  const method = service.methods.get(name);
  if (!method) throw new TypeError(`Cannot answer ${name}: ${service.name} has no such method`);
  const type = method.schema.result.fields.find(({ id }) => id === 0)?.type;
  if (!type && !method.oneway) {
    return {
      method,
      answer: (to, isClosing) =>
        isClosing ? refusalReply(to, new Refusal("draining")) : resultReply(to, method, undefined),
    };
  }
  const values = type?.kind === "bool"
    ? [true, false]
    : type?.kind === "string"
    ? ["ok", "closing"]
    : type?.kind === "enum"
    ? [memberOf(type.of.members, well), memberOf(type.of.members, closing)]
    : [];
  if (values.length === 2 && values.every((value) => value !== undefined)) {
    return { method, answer: (to, isClosing) => resultReply(to, method, values[isClosing ? 1 : 0]) };
  }
  throw new TypeError(
    `Cannot answer ${name} of ${service.name}: it must return bool, string, void or an enum with members such as ALIVE and STOPPING`,
  );
}

function memberOf(members: ReadonlyMap<string, number>, names: readonly string[]): number | undefined {
  return names.map((name) => members.get(name)).find((value) => value !== undefined);
}
