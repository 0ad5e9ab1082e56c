/**
 * Tracking as thriftpy and thriftpy2 do it (contrib/tracking, Ele.me): a handshake that is a call of a method with a
 * name nobody has, then a header before every request and, from version 2 on, before every reply.
 *
 * ```
 * UpgradeArgs    = 1: string app_id, 2: i32 version      the arguments of the call
 * UpgradeReply   = 1: i32 version                        a bare struct in the reply, not its field 0
 * RequestHeader  = 1: string request_id, 2: string seq, 3: map<string, string> meta
 * ResponseHeader = 1: map<string, string> meta
 * ```
 *
 * Both sides speak the lower of their versions; who names none is taken for 1 and hears none.
 */
import type { RequestInfo } from "../../core/context.ts";
import { childTraceparent, isRpcId, validTraceparent } from "../../core/trace_context.ts";
import type { FieldSchema, StructSchema, ThriftType } from "./schema.ts";
import { type Fields, structCodec } from "./wire/struct_codec.ts";

/** The method whose call is the handshake. */
export const handshakeMethod = "__thriftpy_tracing_method_name__v2";

/** The highest version that is spoken here: 0 none, 1 request headers, 2 response headers too. */
export const trackingVersion = 2;

const text: ThriftType = { kind: "string" };
const meta: ThriftType = { kind: "map", key: text, value: text };

function struct(name: string, ...fields: ReadonlyArray<readonly [string, ThriftType]>): StructSchema {
  const made = fields.map(([name, type], index): FieldSchema => ({
    id: index + 1,
    name,
    type,
    requiredness: "optional",
    makeDefault: undefined,
  }));
  return { name, kind: "struct", fields: made };
}

export const upgradeArgs = structCodec(struct("UpgradeArgs", ["app_id", text], ["version", { kind: "i32" }]));
export const upgradeReply = structCodec(struct("UpgradeReply", ["version", { kind: "i32" }]));
export const requestHeader = structCodec(
  struct("RequestHeader", ["request_id", text], ["seq", text], ["meta", meta]),
);
export const responseHeader = structCodec(struct("ResponseHeader", ["meta", meta]));

/** What both sides speak when the other side says `theirs`, and what it is told; see the module's header. */
export function negotiated(theirs: unknown): { version: number; reply: Fields } {
  if (typeof theirs !== "number" || theirs <= 0) return { version: 1, reply: {} };
  const version = Math.min(theirs, trackingVersion);
  return { version, reply: { version } };
}

/** At most this many entries of meta are taken over, each of at most this many characters. */
const mostMeta = 64;
const longestMeta = 4096;
const printable = /^[\x21-\x7e]{1,128}$/;

/** Under this key of meta the trace of W3C travels, where the request that is served belongs to one. */
const traceKey = "traceparent";

/** What a request header says of its request; what is not usable is left out. */
export function requestOf(header: Fields): Partial<RequestInfo> {
  const { request_id: id, seq, meta } = header;
  const taken: Record<string, string> = {};
  let count = 0;
  let trace: string | undefined;
  for (const [key, value] of (meta as Map<string, string> | undefined) ?? []) {
    if (key === traceKey) trace = validTraceparent(value);
    else if (key !== "__proto__" && key.length + value.length <= longestMeta && ++count <= mostMeta) {
      taken[key] = value;
    }
  }
  return {
    ...(typeof id === "string" && printable.test(id) ? { id } : {}),
    ...(typeof seq === "string" && isRpcId(seq) ? { rpcId: seq } : {}),
    meta: taken,
    ...(trace ? { trace } : {}),
  };
}

/** The meta of a request header: that of the request that is served, and its trace. */
export function metaFor(
  id: string,
  meta: Readonly<Record<string, string>> | undefined,
  trace: string | undefined,
): Readonly<Record<string, string>> | undefined {
  return trace === undefined ? meta : { ...meta, [traceKey]: childTraceparent(id, trace) };
}
