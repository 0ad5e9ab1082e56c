/**
 * The part of ZooKeeper's client protocol that reading and watching needs. Pure.
 *
 *   packet   = length:int32 body                                       (both ways, big endian)
 *   connect  → version:int32=0 lastZxid:int64 timeoutMs:int32 session:int64 password:buffer readOnly:bool
 *            ← version:int32 timeoutMs:int32 session:int64 password:buffer [readOnly:bool]; timeoutMs 0: expired
 *   request  → xid:int32 type:int32 …   exists 3, getData 4, getChildren 8: path:string watch:bool
 *                                       ping 11 (xid -2), auth 100 (xid -4): 0:int32 scheme:string auth:buffer
 *                                       closeSession -11
 *   reply    ← xid:int32 zxid:int64 error:int32 …   getData: data:buffer stat; getChildren: count:int32 string*
 *   event    ← xid -1 …                             type:int32 state:int32 path:string
 *   string, buffer = length:int32 (-1: null) bytes
 *
 * Specification: zookeeper.jute and the Java client of Apache ZooKeeper 3.x.
 */
import { Buffer } from "node:buffer";

/** Types of requests. */
export const Op = { exists: 3, getData: 4, getChildren: 8, ping: 11, auth: 100, closeSession: -11 } as const;

/** Fixed numbers of what is no ordinary request. */
export const Xid = { event: -1, ping: -2, auth: -4 } as const;

/** The server's error that matters here. */
export const noNode = -101;

const errors: Record<number, string> = {
  [-4]: "the connection was lost",
  [-101]: "there is no such node",
  [-102]: "not allowed",
  [-112]: "the session has expired",
  [-115]: "the login was refused",
};

/** An error of the server in words. */
export function errorText(code: number): string {
  return errors[code] ?? `error ${code}`;
}

/** First packet of a connection: a new session. */
export function connectPacket(timeoutMs: number): Uint8Array {
  const body = Buffer.alloc(4 + 8 + 4 + 8 + 4 + 16 + 1);
  body.writeInt32BE(timeoutMs, 12);
  body.writeInt32BE(16, 24);
  return packet(body);
}

/** A request with a path, or with nothing at all. */
export function requestPacket(xid: number, type: number, path?: string): Uint8Array {
  if (path === undefined) return packet(ints(xid, type));
  return packet(Buffer.concat([ints(xid, type), lengthAnd(path), Buffer.from([1])]));
}

/** Logs in: `digest` with `user:password`. */
export function authPacket(credentials: string): Uint8Array {
  return packet(Buffer.concat([ints(Xid.auth, Op.auth, 0), lengthAnd("digest"), lengthAnd(credentials)]));
}

/** Negotiated timeout in ms; 0 where the session has expired. */
export function readConnected(body: Uint8Array): number {
  return new WireReader(body, 4).int();
}

/** Reads one body; throws RangeError past its end. */
export class WireReader {
  readonly #view: Buffer;
  #at: number;

  constructor(body: Uint8Array, at = 0) {
    this.#view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.#at = at;
  }

  int(): number {
    const value = this.#view.readInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  /** A string or buffer as text; null counts as empty. */
  text(): string {
    const length = this.int();
    if (length < 0) return "";
    if (this.#at + length > this.#view.length) throw new RangeError("A text is longer than its packet");
    const value = this.#view.toString("utf8", this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  texts(): string[] {
    const count = this.int();
    // Each takes four bytes at least.
    if (count * 4 > this.#view.length) throw new RangeError("A list is longer than its packet");
    return Array.from({ length: Math.max(0, count) }, () => this.text());
  }
}

/** Cuts a stream of bytes into bodies of packets. */
export class PacketReader {
  readonly #mostBytes: number;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Complete packets. Throws RangeError where one is longer than allowed. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size < 4) return;
    let bytes = this.#parts.length === 1 ? chunk : undefined;
    if (bytes === undefined) {
      const [first] = this.#parts as [Uint8Array];
      // Join only what completes a packet: a long one comes in many pieces.
      if (first.length >= 4 && this.#size < 4 + this.#length(first)) return;
      bytes = Buffer.concat(this.#parts);
    }
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = this.#length(bytes.subarray(at));
      if (bytes.length - at < 4 + length) break;
      yield bytes.subarray(at + 4, at + 4 + length);
      at += 4 + length;
    }
    this.#parts = at < bytes.length ? [bytes.slice(at)] : [];
    this.#size = bytes.length - at;
  }

  #length(bytes: Uint8Array): number {
    const length = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readInt32BE(0);
    if (length < 0 || length > this.#mostBytes) {
      throw new RangeError(`A packet of ${length} bytes is not taken`);
    }
    return length;
  }
}

function packet(body: Uint8Array): Uint8Array {
  return Buffer.concat([ints(body.length), body]);
}

function ints(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeInt32BE(value, 4 * index));
  return bytes;
}

function lengthAnd(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([ints(bytes.length), bytes]);
}
