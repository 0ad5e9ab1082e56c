/**
 * Fields that end at this hop (RFC 9110 §7.6.1, and what RFC 2616 and practice add), and fields that this proxy writes
 * itself: what a request says under their names is not passed on as it is.
 */

/** What becomes of a field; fields that are not in the table are passed on. */
export const Fate = {
  /** Dropped. */
  hop: 1,
  /** Dropped, with all that it names. */
  connection: 2,
  host: 3,
  contentLength: 4,
  transferEncoding: 5,
  upgrade: 6,
  te: 7,
  expect: 8,
  requestId: 9,
  forwardedFor: 10,
  forwardedProto: 11,
  forwardedHost: 12,
  forwarded: 13,
  deadline: 14,
} as const;

/** A value of {@link Fate}. */
export type FateValue = typeof Fate[keyof typeof Fate];

/** By name in lower case. */
export const fates: ReadonlyMap<string, FateValue> = new Map([
  ["connection", Fate.connection],
  ["keep-alive", Fate.hop],
  ["proxy-connection", Fate.hop],
  ["proxy-authenticate", Fate.hop],
  ["proxy-authorization", Fate.hop],
  ["http2-settings", Fate.hop],
  // Trailers are not passed on, so none are announced.
  ["trailer", Fate.hop],
  ["te", Fate.te],
  ["transfer-encoding", Fate.transferEncoding],
  ["upgrade", Fate.upgrade],
  ["host", Fate.host],
  ["content-length", Fate.contentLength],
  ["expect", Fate.expect],
  ["x-request-id", Fate.requestId],
  ["x-rpc-id", Fate.requestId],
  ["x-deadline-ms", Fate.deadline],
  ["x-forwarded-for", Fate.forwardedFor],
  ["x-forwarded-proto", Fate.forwardedProto],
  ["x-forwarded-host", Fate.forwardedHost],
  ["forwarded", Fate.forwarded],
]);

/** Whether a gateway interface that turns `-` into `_` would take `name` for one of the table. */
export function imitates(name: string): boolean {
  return name.includes("_") && fates.has(name.replaceAll("_", "-"));
}

/** Whether the list `value` of a Connection field has `token` (in lower case). */
export function hasToken(value: string, token: string): boolean {
  return value.length >= token.length &&
    value.toLowerCase().split(",").some((one) => one.trim() === token);
}

/** What a Connection field says most of the time: nothing that names a field. */
const namesNothing = /^(?:keep-alive|close|upgrade)$/i;

/** The fields that `value` names, in lower case; undefined for none. */
export function namedFields(value: string): Set<string> | undefined {
  if (namesNothing.test(value)) return undefined;
  return new Set(value.toLowerCase().split(",").map((one) => one.trim()));
}
