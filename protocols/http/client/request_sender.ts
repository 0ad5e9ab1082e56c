/**
 * The way out of a session. Requests without a body, or with a short one, are gathered in one buffer and leave in one
 * write; longer bodies follow piece by piece, as fast as the upstream reads them. One write is under way at a time, and
 * whoever uses it asks `busy` first.
 */
import type { ByteStream } from "../../../core/protocol.ts";

/** Bodies up to this size leave together with their head. */
export const joinedBytes = 16 * 1024;
/** Pieces of a chunked body are at most this long. */
const pieceBytes = 64 * 1024;
const firstBytes = 2048;
/** A buffer that grew beyond this is not kept. */
const keptBytes = 32 * 1024;

/** What the sender tells the session. */
export interface SenderOwner {
  /** What was given is with the kernel; there is room for more. */
  sent(): void;
  /** Nothing can be written any more; `nothingLeft`: no byte of what was given together with the last head has left. */
  unsendable(error: unknown, nothingLeft: boolean): void;
  /** Whether the next piece of the body is waited for. */
  awaitsBody(waits: boolean): void;
  /** The body cannot be had to its end, or is not as long as it was said to be. */
  bodyFailed(error: unknown): void;
}

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

/** See the module's header. */
export class RequestSender {
  /** A write or a body is under way. */
  busy = false;
  /** More of the current body is to come than what is being written now. */
  unfinished = false;
  readonly #stream: ByteStream;
  readonly #owner: SenderOwner;
  #buffer: Uint8Array = nothing;
  #filled = 0;
  #rest: Uint8Array = nothing;
  #fresh = true;
  #body: Uint8Array | ReadableStream<Uint8Array> | undefined;
  #bodyBytes = -1;
  /** The head of the body is with the kernel. */
  #begun = false;
  /** The body is held back. */
  #waits = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #stopped = false;
  readonly #onWritten = (bytes: number) => this.#written(bytes);
  readonly #onFailed = (error: unknown) => this.#failed(error);

  constructor(stream: ByteStream, owner: SenderOwner) {
    this.#stream = stream;
    this.#owner = owner;
  }

  /** Puts a request that leaves with the next {@link flush}. Only while it is not busy. */
  add(head: string, body: Uint8Array | null): void {
    const bodyBytes = body === null ? 0 : body.length;
    this.#reserve(head.length + bodyBytes);
    const { read, written } = encoder.encodeInto(head, this.#filled === 0 ? this.#buffer : this.#room());
    if (read === head.length && written === read) this.#filled += written;
    else this.#addText(head, bodyBytes);
    if (body === null) return;
    this.#buffer.set(body, this.#filled);
    this.#filled += bodyBytes;
  }

  /** Bytes put in and not flushed. */
  get filled(): number {
    return this.#filled;
  }

  /** Whether it will send nothing more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Writes what was put in. */
  flush(): void {
    this.busy = this.#fresh = true;
    this.#write(this.#filled === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  /** As {@link flush}, then sends `body`, of `bytes` bytes where that is known, else -1; with `wait` not before {@link goOn}. */
  flushWith(body: Uint8Array | ReadableStream<Uint8Array>, bytes: number, wait: boolean): void {
    this.#body = body;
    this.#bodyBytes = bytes;
    this.#waits = wait;
    this.unfinished = true;
    this.flush();
  }

  /** The body that was held back may go. */
  goOn(): void {
    if (!this.#waits) return;
    this.#waits = false;
    if (this.#rest.length === 0) this.#sendBody();
  }

  /** Sends nothing more; a body that is a stream is cancelled. Idempotent. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = this.busy = true;
    this.unfinished = false;
    const body = this.#body;
    this.#body = undefined;
    const cancelled = this.#reader ? this.#reader.cancel(reason) : undefined;
    cancelled?.catch(ignore);
    // One that was not begun stays whole: it may be sent elsewhere.
    if (!this.#reader && body instanceof ReadableStream && this.#begun) body.cancel(reason).catch(ignore);
  }

  #write(bytes: Uint8Array): void {
    this.#rest = bytes;
    this.#stream.write(bytes).then(this.#onWritten, this.#onFailed);
  }

  #written(bytes: number): void {
    this.#fresh = false;
    if (bytes < this.#rest.length) {
      if (!this.#stopped) this.#write(this.#rest.subarray(bytes));
      return;
    }
    this.#rest = nothing;
    if (this.#buffer.length > keptBytes) this.#buffer = nothing;
    if (this.#stopped) return;
    if (this.#body) {
      this.#begun = true;
      if (!this.#waits) this.#sendBody();
      return;
    }
    this.busy = false;
    this.#owner.sent();
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const nothingLeft = this.#fresh;
    this.stop(error);
    this.#owner.unsendable(error, nothingLeft);
  }

  #sendBody(): void {
    const body = this.#body!;
    if (body instanceof Uint8Array) {
      this.#body = undefined;
      this.unfinished = false;
      this.#write(body);
    } else this.#sendStream(body);
  }

  async #sendStream(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      this.#reader = body.getReader();
    } catch (error) {
      return this.#bodyFailed(error);
    }
    const declared = this.#bodyBytes;
    let sent = 0;
    for (;;) {
      let piece: Uint8Array | undefined;
      try {
        this.#owner.awaitsBody(true);
        piece = (await this.#reader.read()).value;
        this.#owner.awaitsBody(false);
      } catch (error) {
        return this.#bodyFailed(error);
      }
      if (this.#stopped) return;
      if (piece === undefined) break;
      if (!(piece instanceof Uint8Array)) {
        return this.#bodyFailed(new TypeError("a body must be a stream of bytes"));
      }
      sent += piece.length;
      if (declared >= 0 && sent > declared) {
        return this.#bodyFailed(new RangeError("the body is longer than declared"));
      }
      if (!await this.#sendPiece(piece, declared < 0)) return;
    }
    if (sent < declared) return this.#bodyFailed(new RangeError("the body is shorter than declared"));
    this.unfinished = false;
    if (declared < 0 && !await this.#writeAll(lastChunk)) return;
    this.#reader = this.#body = undefined;
    this.#begun = this.busy = false;
    this.#owner.sent();
  }

  async #sendPiece(piece: Uint8Array, chunked: boolean): Promise<boolean> {
    if (!chunked) return piece.length === 0 || await this.#writeAll(piece);
    for (let from = 0; from < piece.length; from += pieceBytes) {
      if (!await this.#writeAll(chunkOf(piece.subarray(from, from + pieceBytes)))) return false;
    }
    return true;
  }

  /** False where that was not possible, or is not wanted any more. */
  async #writeAll(bytes: Uint8Array): Promise<boolean> {
    try {
      while (bytes.length > 0) {
        const written = await this.#stream.write(bytes);
        if (this.#stopped) return false;
        bytes = bytes.subarray(written);
      }
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #bodyFailed(error: unknown): void {
    if (this.#stopped) return;
    this.stop(error);
    this.#owner.bodyFailed(error);
  }

  /** Text that is not ASCII: one byte for each character, as fields came; UTF-8 where that does not hold them. */
  #addText(head: string, bodyBytes: number): void {
    let wide = false;
    for (let i = 0; i < head.length && !wide; i++) wide = head.charCodeAt(i) > 255;
    if (wide) {
      this.#reserve(head.length * 3 + bodyBytes);
      this.#filled += encoder.encodeInto(head, this.#room()).written;
      return;
    }
    const buffer = this.#buffer;
    for (let i = 0, at = this.#filled; i < head.length; i++) buffer[at++] = head.charCodeAt(i);
    this.#filled += head.length;
  }

  #room(): Uint8Array {
    return this.#buffer.subarray(this.#filled);
  }

  #reserve(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#buffer.length) return;
    let size = Math.max(firstBytes, this.#buffer.length);
    while (size < needed) size *= 2;
    const larger = new Uint8Array(size);
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }
}

const lastChunk = encoder.encode("0\r\n\r\n");

/** `data` as one chunk. */
function chunkOf(data: Uint8Array): Uint8Array {
  const size = data.length.toString(16);
  const chunk = new Uint8Array(size.length + 4 + data.length);
  for (let i = 0; i < size.length; i++) chunk[i] = size.charCodeAt(i);
  chunk[size.length] = chunk[chunk.length - 2] = 13;
  chunk[size.length + 1] = chunk[chunk.length - 1] = 10;
  chunk.set(data, size.length + 2);
  return chunk;
}

function ignore(): void {}
