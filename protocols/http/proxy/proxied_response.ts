/**
 * An upstream's reply as the runtime's Response: end-to-end fields as they came, bodies as they are (neither unpacked
 * nor packed). Fields that the runtime's server would take for a reason to end the process are found here.
 */
import type { FlatHeaders, HttpReply } from "../client/message.ts";
import { responseOfFields } from "../native_server.ts";
import { Fate, fates, namedFields } from "./hop_headers.ts";

const fieldName = /^[!#$%&'*+.^`|~\w-]+$/;
/** A control character in a value makes the runtime's writer panic. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The answer to a request of `method`; undefined where the reply cannot be passed on: then its body is let go. */
export function toResponse(reply: HttpReply, method: string): Response | undefined {
  const { status } = reply;
  const fields = status >= 200 && status <= 599 ? fieldsOf(reply.headers) : undefined;
  if (!fields) {
    dropBody(reply);
    return undefined;
  }
  if (method === "HEAD") {
    dropBody(reply);
    if (reply.bodyBytes >= 0) fields.push(["content-length", `${reply.bodyBytes}`]);
    else if (!isBodiless(status)) return new Response(nothingYet(), { status, headers: fields });
    return responseOfFields(null, status, fields);
  }
  if (isBodiless(status)) {
    dropBody(reply);
    return responseOfFields(null, status, fields);
  }
  const { body } = reply;
  if (!(body instanceof ReadableStream)) {
    return responseOfFields(body as Uint8Array<ArrayBuffer> | null, status, fields);
  }
  // With a length the runtime notices a body that ends too early, and does not chunk it.
  if (reply.bodyBytes >= 0) fields.push(["content-length", `${reply.bodyBytes}`]);
  return new Response(body, { status, headers: fields });
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** The body of `reply` is not wanted. */
export function dropBody({ body }: HttpReply): void {
  if (body instanceof ReadableStream && !body.locked) body.cancel().catch(() => {});
}

/** Without a length: for the answer to HEAD the runtime would write `content-length: 0` where there is no body. */
function nothingYet(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/** What becomes of a field of a reply. */
const Way = { on: 0, hop: 1, connection: 2, unsendable: 3 } as const;

/**
 * Replies resemble each other: what became of the field at the same place of the last one is likely to become of this
 * one. Names and values of replies are the same strings then.
 */
const places = 32;
const lastNames: string[] = new Array(places).fill("");
const lastValues: string[] = new Array(places).fill("");
const lastWays: number[] = new Array(places).fill(Way.unsendable);

/** End-to-end fields as pairs, length aside; undefined where one cannot be sent. */
export function fieldsOf(flat: FlatHeaders): [string, string][] | undefined {
  const fields: [string, string][] = [];
  let named: Set<string> | undefined;
  for (let i = 0, place = 0; i + 1 < flat.length; i += 2, place++) {
    const name = flat[i]!, value = flat[i + 1]!;
    let way: number;
    if (place < places && name === lastNames[place] && value === lastValues[place]) way = lastWays[place]!;
    else {
      way = wayOf(name, value);
      if (place < places) {
        lastNames[place] = name;
        lastValues[place] = value;
        lastWays[place] = way;
      }
    }
    if (way === Way.on) fields.push([name, value]);
    else if (way === Way.unsendable) return undefined;
    else if (way === Way.connection) {
      for (const one of namedFields(value) ?? []) (named ??= new Set()).add(one);
    }
  }
  return named ? fields.filter(([name]) => !named.has(name)) : fields;
}

function wayOf(name: string, value: string): number {
  switch (fates.get(name)) {
    case Fate.connection:
      return Way.connection;
    case Fate.hop:
    case Fate.te:
    case Fate.upgrade:
    case Fate.transferEncoding:
    case Fate.contentLength:
      return Way.hop;
    default:
      return fieldName.test(name) && fieldValue.test(value) ? Way.on : Way.unsendable;
  }
}
