/**
 * What travels between a pool and its threads: bytes, or a message of a text and a body. Texts are written into the ring
 * as they are and read from it as they are; bytes of one's own in between would cost more than everything else.
 *
 * ```
 * payload  bytes                      shape 0
 *        | head (UTF-8) · body        shape = head bytes << 4 | bodyAscii | bodyText | headAscii | 1
 * ```
 */
import type { Ring } from "./ring.ts";

/** A text with a body; what they mean is the adapter's affair. */
export interface Message {
  readonly head: string;
  readonly body: string | Uint8Array | undefined;
}

/** What a service of a pool is called with, and answers. Whoever gave it away does not change it any more. */
export type Payload = Uint8Array | Message;

/** Bits of a shape. */
const isMessage = 1;
const headAscii = 2;
const bodyText = 4;
const bodyAscii = 8;
const headShift = 4;

/** UTF-8 takes at most three bytes for each UTF-16 unit. */
const maxUnitBytes = 3;

/** What {@link PayloadWriter.write} returns besides the offset of a record. */
export const noRoom = -1;
export const tooLarge = -2;

const encoder = new TextEncoder();

/** Whether `value` is something that can travel. */
export function isPayload(value: unknown): value is Payload {
  return value instanceof Uint8Array ||
    (typeof value === "object" && value !== null && typeof (value as Message).head === "string");
}

/** Writes payloads into records of a ring. */
export class PayloadWriter {
  /** Of the payload written last. */
  bytes = 0;
  shape = 0;
  readonly #ring: Ring;
  readonly #maxBytes: number;

  /** Payloads above `maxBytes` are not written. */
  constructor(ring: Ring, maxBytes: number) {
    this.#ring = ring;
    this.#maxBytes = maxBytes;
  }

  /**
   * Reserves a record and writes `payload` into it, after `before` bytes that stay free: the offset of the record,
   * {@link noRoom} for now, or {@link tooLarge}.
   */
  write(before: number, payload: Payload): number {
    if (!(payload instanceof Uint8Array)) return this.#message(before, payload);
    const { length } = payload;
    if (length > this.#maxBytes) return tooLarge;
    const at = this.#ring.reserve(before + length);
    if (at === -1) return noRoom;
    this.#ring.bytes.set(payload, at + before);
    this.bytes = length;
    this.shape = 0;
    return at;
  }

  #message(before: number, { head, body }: Message): number {
    // Most texts are ASCII; for the others there is a second try with all the room that they can need.
    const text = typeof body === "string";
    const bodyUnits = body === undefined ? 0 : body.length;
    for (let unitBytes = 1;; unitBytes = maxUnitBytes) {
      const headRoom = head.length * unitBytes;
      const room = headRoom + (text ? bodyUnits * unitBytes : bodyUnits);
      if (room > this.#maxBytes) return tooLarge;
      const at = this.#ring.reserve(before + room);
      if (at === -1) return noRoom;
      const { bytes } = this.#ring;
      const from = at + before;
      const headDone = encoder.encodeInto(head, bytes.subarray(from, from + headRoom));
      if (headDone.read < head.length) continue;
      const headBytes = headDone.written;
      let shape = headBytes << headShift | isMessage;
      if (headBytes === head.length) shape |= headAscii;
      let bodyBytes = bodyUnits;
      if (text) {
        shape |= bodyText;
        if (bodyUnits > 0) {
          const done = encoder.encodeInto(body, bytes.subarray(from + headBytes, from + room));
          if (done.read < bodyUnits) continue;
          bodyBytes = done.written;
        }
        if (bodyBytes === bodyUnits) shape |= bodyAscii;
      } else if (body !== undefined) bytes.set(body, from + headBytes);
      this.bytes = headBytes + bodyBytes;
      this.shape = shape;
      return at;
    }
  }
}

/** The payload of `length` bytes at `from` in `ring`; it is the caller's own. */
export function readPayload(ring: Ring, from: number, length: number, shape: number): Payload {
  if (shape === 0) return ring.bytes.slice(from, from + length);
  const bodyFrom = from + (shape >> headShift);
  const end = from + length;
  const head = ring.text(from, bodyFrom, (shape & headAscii) !== 0);
  if ((shape & bodyText) !== 0) return { head, body: ring.text(bodyFrom, end, (shape & bodyAscii) !== 0) };
  return { head, body: bodyFrom === end ? undefined : ring.bytes.slice(bodyFrom, end) };
}

/** A copy of `payload` to be sent by message, and what of it can be transferred. */
export function copyToSend(payload: Payload): { copy: Payload; transfer: ArrayBuffer[] } {
  if (payload instanceof Uint8Array) {
    const copy = payload.slice();
    return { copy, transfer: [copy.buffer as ArrayBuffer] };
  }
  const { head, body } = payload;
  if (!(body instanceof Uint8Array)) return { copy: { head, body }, transfer: [] };
  const copy = body.slice();
  return { copy: { head, body: copy }, transfer: [copy.buffer as ArrayBuffer] };
}
