/**
 * W3C Trace Context (w3.org/TR/trace-context, `traceparent`) and Baggage (w3.org/TR/baggage): how the call tree that a
 * request belongs to, and the texts that travel with it, are written for others than Weir. Parsing is strict: what is
 * not valid is as if it had not come. Knows no protocol and keeps nothing.
 *
 * ```
 * traceparent = version "-" trace-id (32 hex) "-" parent-id (16 hex) "-" flags (2 hex)
 * baggage     = key "=" percent-encoded value *( ";" property ) *( "," … )
 * ```
 */

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
const mostEntries = 64;
const longestBaggage = 8192;

/** `text` where it is a valid `traceparent`, in version 00 (whatever a later version adds is left out); else undefined. */
export function validTraceparent(text: string): string | undefined {
  const match = text.length <= 512 ? form.exec(text) : null;
  if (!match) return undefined;
  const [, version, traceId, parentId, flags, rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(parentId!)) return undefined;
  // Only the flag that says whether the trace is sampled has a meaning.
  return version === "00" ? text : `00-${traceId}-${parentId}-0${parseInt(flags!, 16) & 1}`;
}

/** Whether `text` is a place in a call tree: `1`, `1.2`, `1.2.1`. */
export function isRpcId(text: string): boolean {
  return text.length <= 256 && /^[0-9]{1,9}(?:\.[0-9]{1,9})*$/.test(text);
}

/** The trace id of a valid `traceparent`. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/**
 * The `traceparent` of a call that a request makes: in the trace of its own (`trace`, valid), or in one that follows from
 * its id, so that everything with the same id is one trace; not sampled then. `random` gives numbers in [0, 1).
 */
export function childTraceparent(
  id: string,
  trace: string | undefined,
  random: () => number = Math.random,
): string {
  const parent = hex(random) + hex(random);
  const known = parent === "0000000000000000" ? "0000000000000001" : parent;
  return trace === undefined
    ? `00-${traceIdFrom(id)}-${known}-00`
    : `${trace.slice(0, 36)}${known}${trace.slice(52)}`;
}

function hex(random: () => number): string {
  return Math.floor(random() * 4294967296).toString(16).padStart(8, "0");
}

/** A UUID or 32 hex digits are a trace id already; anything else is hashed (four times FNV-1a, seeded differently). */
function traceIdFrom(id: string): string {
  const plain = id.replaceAll("-", "").toLowerCase();
  if (/^[0-9a-f]{32}$/.test(plain) && !/^0+$/.test(plain)) return plain;
  let text = "";
  for (let seed = 1; seed <= 4; seed++) {
    let hash = Math.imul(0x811c9dc5, seed) >>> 0;
    for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
    text += (hash >>> 0).toString(16).padStart(8, "0");
  }
  return /^0+$/.test(text) ? `${text.slice(1)}1` : text;
}

/** The entries of a `baggage` field; undefined where there is none that makes sense. Properties are left out. */
export function parseBaggage(text: string): Record<string, string> | undefined {
  if (text.length > longestBaggage) return undefined;
  const entries: Array<[string, string]> = [];
  for (const member of text.split(",", mostEntries)) {
    const [pair] = member.split(";", 1);
    const equals = pair!.indexOf("=");
    const key = pair!.slice(0, equals).trim();
    if (equals < 1 || !token.test(key) || key === "__proto__") continue;
    try {
      entries.push([key, decodeURIComponent(pair!.slice(equals + 1).trim())]);
    } catch {
      // Percent signs that encode nothing: an entry that makes no sense.
    }
  }
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** `meta` as a `baggage` field; empty where nothing of it can be written. What would make it too long is left out. */
export function formatBaggage(meta: Readonly<Record<string, string>>): string {
  let text = "";
  let count = 0;
  for (const key in meta) {
    if (!token.test(key) || ++count > mostEntries) continue;
    const entry = `${key}=${encodeURIComponent(meta[key]!.toWellFormed())}`;
    if (text.length + entry.length < longestBaggage) text += text === "" ? entry : `,${entry}`;
  }
  return text;
}
