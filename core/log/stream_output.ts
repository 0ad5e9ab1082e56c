/**
 * A declared stream as an output: every line becomes a record, without its newline. Lines come before the worker's streams
 * are there: they wait in the sink's bounded queue, as they do while the spool is full. Where no stream will ever take them
 * they go to the console. It never waits for a record to be shipped.
 */
import type { Output, WriteResult } from "./sink.ts";

/** Appends a line to the stream `name`; false while it is full or broken. RangeError for a line that is too long. */
export type OfferLine = (name: string, line: Uint8Array) => boolean;

const newline = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** See the module's header. */
export class StreamOutput implements Output {
  readonly #name: string;
  readonly #toConsole: (piece: string, lines: number) => void;
  readonly #ready = Promise.withResolvers<void>();
  #offer: OfferLine | undefined;
  #detached = false;
  /** Bytes of the first piece of the next write that the stream has already. */
  #taken = 0;
  /** How many of those lines were too long for a record. */
  #refused = 0;

  /** `toConsole` gets what no stream takes: a piece of so many lines. */
  constructor(name: string, toConsole: (piece: string, lines: number) => void) {
    this.#name = name;
    this.#toConsole = toConsole;
  }

  /** Whether there is a stream, or was. */
  get attached(): boolean {
    return this.#offer !== undefined || this.#detached;
  }

  /** Lines go to the stream from now on. */
  attach(offer: OfferLine): void {
    if (this.#detached) return;
    this.#offer = offer;
    this.#ready.resolve();
  }

  /** Lines go to the console from now on. */
  detach(): void {
    this.#offer = undefined;
    this.#detached = true;
    this.#ready.resolve();
  }

  async write(pieces: readonly string[]): Promise<WriteResult> {
    await this.#ready.promise;
    const result = { written: 0, refused: 0 };
    for (const piece of pieces) {
      try {
        this.#take(encoder.encode(piece));
      } catch (error) {
        return { ...result, error };
      }
      result.written++;
      result.refused += this.#refused;
      this.#taken = this.#refused = 0;
    }
    return result;
  }

  close(): void {
    this.detach();
  }

  /** Takes the lines of a piece that are not taken yet; throws where it cannot go on now. */
  #take(bytes: Uint8Array): void {
    if (this.#offer === undefined) {
      const rest = bytes.subarray(this.#taken);
      return this.#toConsole(
        decoder.decode(rest),
        rest.reduce((sum, byte) => sum + Number(byte === newline), 0),
      );
    }
    while (this.#taken < bytes.length) {
      const found = bytes.indexOf(newline, this.#taken);
      const end = found < 0 ? bytes.length : found;
      this.#put(this.#offer, bytes.subarray(this.#taken, end));
      this.#taken = end + 1;
    }
  }

  #put(offer: OfferLine, line: Uint8Array): void {
    try {
      if (offer(this.#name, line)) return;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#refused++;
      return;
    }
    throw new Error(`Cannot write to the stream "${this.#name}": its spool is full or broken`);
  }
}
