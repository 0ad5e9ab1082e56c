/**
 * Messages that answer a call, as bytes: result, declared exception, or TApplicationException; each with the response
 * header before it where tracking has come to version 2, exceptions included.
 */
import { type Refusal, ServiceError } from "../../core/errors.ts";
import { reasons } from "../../core/reasons.ts";
import { applicationErrors, applicationException } from "./application_exception.ts";
import type { MethodCodec } from "./service_codec.ts";
import { responseHeader } from "./tracking.ts";
import { BinaryWriter } from "./wire/binary_protocol.ts";
import { CompactWriter } from "./wire/compact_protocol.ts";
import type { Fields } from "./wire/struct_codec.ts";
import type { Mode } from "./wire/transport.ts";
import { MessageType } from "./wire/ttype.ts";
import type { Writer } from "./wire/wire.ts";
import { ValueError } from "./wire/wire_error.ts";

/** What is known of a call to whoever answers it. */
export interface Answerable {
  readonly mode: Mode;
  /** Of tracking. */
  readonly version: number;
  readonly seqid: number;
  /** Name of the method as it was called. */
  readonly name: string;
}

const binary = new BinaryWriter();
const compact = new CompactWriter();

/** The writer for `mode`, empty. It is everybody's: what is written is copied out before anything else runs. */
export function writerFor({ protocol, strict }: Mode): Writer {
  const writer = protocol === "binary" ? binary : compact;
  binary.strict = strict;
  writer.sink.clear();
  return writer;
}

/** No answer: a oneway call. */
export const nothing = new Uint8Array(0);

/** Throws ServiceError `handler_error` for a value that the method cannot return. */
export function resultReply(to: Answerable, method: MethodCodec, value: unknown, meta?: Meta): Uint8Array {
  if (method.oneway) return nothing;
  if (!method.returns) return reply(to, method, {}, meta);
  if (value === undefined || value === null) {
    throw new ServiceError("handler_error", `${method.name} returned nothing`);
  }
  return reply(to, method, { success: value }, meta);
}

/** The declared exception that `error` is; undefined where it is none of this method's. */
export function exceptionReply(
  to: Answerable,
  method: MethodCodec,
  error: unknown,
  meta?: Meta,
): Uint8Array | undefined {
  if (typeof error !== "object" || error === null || method.throws.size === 0) return undefined;
  const { name, fields } = error as { name?: unknown; fields?: unknown };
  const field = method.throws.get(String(name)) ?? method.throws.get(error.constructor?.name);
  if (field === undefined) return undefined;
  // An Error with the fields as its own properties will do.
  const value = typeof fields === "object" && fields !== null ? fields : error;
  return reply(to, method, { [field]: value }, meta);
}

type Meta = Readonly<Record<string, string>>;

function reply(to: Answerable, method: MethodCodec, result: Fields, meta: Meta | undefined): Uint8Array {
  const writer = begin(to, MessageType.reply, meta);
  try {
    method.result.write(writer, result);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ServiceError("handler_error", `${method.name} answered wrongly: ${error.message}`, {
      cause: error,
    });
  }
  return writer.sink.copy();
}

/** An error that the IDL does not declare. */
export function errorReply(to: Answerable, type: number, message: string): Uint8Array {
  const writer = begin(to, MessageType.exception, undefined);
  applicationException.write(writer, { message, type });
  return writer.sink.copy();
}

/** `queue_full: as many requests run and wait as may`. */
export function refusalReply(to: Answerable, { reason }: Refusal): Uint8Array {
  const type = reason === "bad_request" ? applicationErrors.protocolError : applicationErrors.internalError;
  return errorReply(to, type, `${reason}: ${reasons[reason].text}`);
}

function begin({ mode, version, name, seqid }: Answerable, type: number, meta: Meta | undefined): Writer {
  const writer = writerFor(mode);
  if (version >= 2) responseHeader.write(writer, meta ? { meta } : {});
  writer.messageBegin(name, type, seqid);
  return writer;
}
