/** What handlers get and give: a message with its decoded parts, and a reply of several parts. */

const nobody = new Uint8Array(0);

/**
 * One message. Most have one part: its value is all there is to know. `value` is the last part where there are several.
 */
export class ZmqMessage<Value = unknown> {
  /** The decoded message; of one with several parts the last one. Bytes with codec raw. */
  readonly value: Value;
  /** First part of a message of PUB/SUB that has two or more, as text; empty otherwise. */
  readonly topic: string;
  /** Who sent it (router, rep): what libzmq calls the routing id. Empty where the socket does not say. */
  readonly identity: Uint8Array;
  readonly #parts: readonly unknown[] | undefined;

  constructor(value: Value, topic = "", identity: Uint8Array = nobody, parts?: readonly unknown[]) {
    this.value = value;
    this.topic = topic;
    this.identity = identity;
    this.#parts = parts;
  }

  /** All decoded parts, without envelope, topic and signature. */
  get parts(): readonly unknown[] {
    return this.#parts ?? [this.value];
  }
}

/** A message of several parts, each encoded by itself; see {@link multipart}. */
export class Multipart {
  readonly parts: readonly unknown[];

  constructor(parts: readonly unknown[]) {
    this.parts = parts;
  }
}

/** What a handler returns, or an upstream is given, to send several parts: `multipart("head", body)`. */
export function multipart(...parts: unknown[]): Multipart {
  if (parts.length === 0) throw new TypeError("Cannot make a message without parts");
  return new Multipart(parts);
}
