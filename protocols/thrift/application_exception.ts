/**
 * The error that is no declared exception: TApplicationException. `1: string message, 2: i32 type`, in a message of type
 * EXCEPTION.
 */
import type { StructSchema } from "./schema.ts";
import { structCodec } from "./wire/struct_codec.ts";

/** What can be wrong, as Apache Thrift numbers it. */
export const applicationErrors = {
  unknown: 0,
  unknownMethod: 1,
  invalidMessageType: 2,
  wrongMethodName: 3,
  badSequenceId: 4,
  missingResult: 5,
  internalError: 6,
  protocolError: 7,
  invalidTransform: 8,
  invalidProtocol: 9,
  unsupportedClientType: 10,
} as const;

const names = Object.keys(applicationErrors) as Array<keyof typeof applicationErrors>;

const schema: StructSchema = {
  name: "TApplicationException",
  kind: "struct",
  fields: [
    { id: 1, name: "message", type: { kind: "string" }, requiredness: "optional", makeDefault: undefined },
    { id: 2, name: "type", type: { kind: "i32" }, requiredness: "optional", makeDefault: undefined },
  ],
};

/** How it travels. */
export const applicationException = structCodec(schema);

/** A server could not do a call, for a reason that its IDL does not declare. */
export class ApplicationException extends Error {
  override readonly name = "ApplicationException";
  /** A number of {@link applicationErrors}. */
  readonly type: number;

  constructor(type: number, message: string) {
    super(message || names[type] || `error ${type}`);
    this.type = type;
  }

  /** The name of its number: `unknownMethod`. */
  get kind(): string {
    return names[this.type] ?? "unknown";
  }
}
