/** A connection as node's duplex stream, for node's HTTP/2. */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ByteStream } from "../../../core/protocol.ts";

const readBytes = 64 * 1024;

/** Reads and writes `stream`, and closes it once it was told to {@link own} it. */
export class ByteDuplex extends Duplex {
  readonly #stream: ByteStream;
  #owned = false;

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: false });
    this.#stream = stream;
  }

  /** From now on the stream ends with this; before that whoever made it closes it. */
  own(): void {
    this.#owned = true;
    if (this.destroyed) this.#stream.close();
  }

  override _read(): void {
    const memory = Buffer.allocUnsafeSlow(readBytes);
    this.#stream.read(memory).then(
      (bytes) => this.push(bytes === null ? null : memory.subarray(0, bytes)),
      (error) => this.destroy(error),
    );
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writeAll(bytes).then(() => done(), done);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) bytes = bytes.subarray(await this.#stream.write(bytes));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#owned) this.#stream.close();
    done(error);
  }
}
