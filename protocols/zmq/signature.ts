/**
 * Signed messages. A signed message has one part more, right before its body (in PUB/SUB after the topic, behind an
 * envelope after the empty part):
 *
 * ```
 * signature  u8 version = 1 · u64 time (ms since 1970, big endian) · 16 bytes nonce · 32 bytes mac
 * mac        HMAC-SHA256(secret, "weir-zmq-1" · version · time · nonce · answered nonce · topic · body parts)
 *            answered nonce: that of the request where this is a reply, else 16 zero bytes
 *            topic: u32 length (big endian) · bytes; length 0 where there is none
 *            body part: u32 length (big endian) · bytes, each of them in its order
 * ```
 *
 * A message is taken where its mac is right (compared in constant time), its time is within the window of this side's
 * clock, and its nonce has not come before. A reply is bound to its request: it cannot be swapped for another reply.
 * What this does not do: hide anything (that is CURVE's), or remember nonces beyond this process.
 */
import { createHmac, randomFillSync, timingSafeEqual } from "node:crypto";
import type { ReplayWindow } from "./replay_window.ts";

/** Bytes of a signature part. */
export const signatureBytes = 57;
const version = 1;
const nonceAt = 9;
const nonceBytes = 16;
const macAt = 25;
const context = new TextEncoder().encode("weir-zmq-1");
const noNonce = new Uint8Array(nonceBytes);
const wordBase = 2 ** 32;

/** What a signature came to; anything but `good` is refused. */
export type Verification = "good" | "malformed" | "wrong" | "tooOld" | "replayed" | "full";

/** Signs and checks with one secret. */
export class Signer {
  readonly #secret: string;
  readonly #epoch: () => number;
  readonly #replays: ReplayWindow;
  readonly #windowMs: number;

  /** `epoch`: ms since 1970. */
  constructor(secret: string, windowMs: number, replays: ReplayWindow, epoch: () => number = Date.now) {
    this.#secret = secret;
    this.#windowMs = windowMs;
    this.#replays = replays;
    this.#epoch = epoch;
  }

  /** The signature part of a message; `answered` is that of the request where this is its reply. */
  sign(topic: Uint8Array, body: readonly Uint8Array[], answered?: Uint8Array): Uint8Array {
    const part = new Uint8Array(signatureBytes);
    const view = new DataView(part.buffer);
    const now = Math.trunc(this.#epoch());
    part[0] = version;
    view.setUint32(1, Math.floor(now / wordBase));
    view.setUint32(5, now >>> 0);
    randomFillSync(part, nonceAt, nonceBytes);
    part.set(this.#mac(part, topic, body, answered), macAt);
    return part;
  }

  /** Whether `signature` is one of this message, and the first time that it comes. */
  verify(
    signature: Uint8Array,
    topic: Uint8Array,
    body: readonly Uint8Array[],
    answered?: Uint8Array,
  ): Verification {
    if (signature.length !== signatureBytes || signature[0] !== version) return "malformed";
    const mac = this.#mac(signature, topic, body, answered);
    // Before anything is said about time or nonce: who has no key learns nothing.
    if (!timingSafeEqual(mac, signature.subarray(macAt))) return "wrong";
    const view = new DataView(signature.buffer, signature.byteOffset);
    const now = this.#epoch();
    const signedAt = view.getUint32(1) * wordBase + view.getUint32(5);
    if (Math.abs(now - signedAt) > this.#windowMs) return "tooOld";
    return this.#replays.take(signature.subarray(nonceAt, macAt), now);
  }

  #mac(
    signature: Uint8Array,
    topic: Uint8Array,
    body: readonly Uint8Array[],
    answered?: Uint8Array,
  ): Uint8Array {
    const hmac = createHmac("sha256", this.#secret);
    hmac.update(context);
    hmac.update(signature.subarray(0, macAt));
    hmac.update(answered ? answered.subarray(nonceAt, macAt) : noNonce);
    const length = new Uint8Array(4);
    const view = new DataView(length.buffer);
    view.setUint32(0, topic.length);
    hmac.update(length).update(topic);
    for (const part of body) {
      view.setUint32(0, part.length);
      hmac.update(length).update(part);
    }
    return hmac.digest();
  }
}
