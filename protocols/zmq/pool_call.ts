/**
 * Messages on their way to a pool thread and back: lengths and names as a JSON head, the parts behind each other as the
 * body. What is decoded and encoded there does not keep the I/O thread.
 */
import type { CodecName } from "../codec/codec.ts";
import type { Replies, ReplyParts } from "./handler.ts";
import type { ZmqMessage } from "./message.ts";

/** As the pools carry it. */
export interface PoolPayload {
  readonly head: string;
  readonly body: string | Uint8Array | undefined;
}

interface Head {
  readonly codec: CodecName;
  readonly replies: Replies;
  readonly topic: string;
  readonly identity: readonly number[];
  readonly lengths: readonly number[];
}

/** A message whose parts are bytes still. */
export function toPool(message: ZmqMessage, codec: CodecName, replies: Replies): PoolPayload {
  const parts = message.parts as readonly Uint8Array[];
  const head: Head = {
    codec,
    replies,
    topic: message.topic,
    identity: [...message.identity],
    lengths: parts.map((part) => part.length),
  };
  return { head: JSON.stringify(head), body: joined(parts) };
}

/** The other way round, on the thread. */
export function fromPool({ head, body }: PoolPayload): Omit<Head, "lengths" | "identity"> & {
  identity: Uint8Array;
  parts: Uint8Array<ArrayBuffer>[];
} {
  const { lengths, identity, ...rest } = JSON.parse(head) as Head;
  return { ...rest, identity: new Uint8Array(identity), parts: split(body, lengths) };
}

export function replyToPool(parts: ReplyParts): PoolPayload {
  return { head: JSON.stringify(parts.map((part) => part.length)), body: joined(parts) };
}

export function replyFromPool({ head, body }: PoolPayload): ReplyParts {
  return split(body, JSON.parse(head));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function split(body: PoolPayload["body"], lengths: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const bytes = (body instanceof Uint8Array ? body : new Uint8Array(0)) as Uint8Array<ArrayBuffer>;
  let at = 0;
  return lengths.map((length) => bytes.subarray(at, at += length));
}
