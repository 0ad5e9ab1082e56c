/**
 * The memory that messages are received into, all parts of one behind each other, overwritten by the next: what is kept
 * must be copied. Its address is fixed, because finding it out costs more than receiving.
 */
import { dontWait, Errno, Option, type ZmqCalls } from "./library.ts";
import { copyOf } from "./slab.ts";

/** Most parts of a message; more are too many. */
export const mostParts = 64;
/** Envelopes come beside what a message may have. */
const roomForEnvelopes = 16 * 1024;

/** What {@link ReceiveMemory.receive} says beside the number of parts. */
export const Received = { nothing: 0, tooLarge: -1, failed: -2 } as const;

/** See the module's header. */
export class ReceiveMemory {
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each part ends in `bytes`; the first begins at 0, the others where the one before ends. */
  readonly ends = new Int32Array(mostParts);
  #address: bigint;
  #base: number;
  readonly #more = new Int32Array(new ArrayBuffer(8));
  readonly #length = new BigUint64Array(new ArrayBuffer(8));
  readonly #moreAddress = addressOf(this.#more);
  readonly #lengthAddress = addressOf(this.#length);

  constructor() {
    this.#length[0] = 4n;
    this.bytes = new Uint8Array(64 * 1024);
    this.#address = addressOf(this.bytes);
    this.#base = Number(this.#address);
  }

  /** From now on messages of `maxBytes` find room. */
  reserve(maxBytes: number): void {
    const wanted = maxBytes + roomForEnvelopes;
    if (this.bytes.length >= wanted) return;
    this.bytes = new Uint8Array(wanted);
    this.#address = addressOf(this.bytes);
    this.#base = Number(this.#address);
  }

  /** Takes the next message of a socket, if there is one; the number of its parts, or one of {@link Received}. */
  receive(calls: ZmqCalls, socket: Deno.PointerValue): number {
    let at = 0;
    let parts = 0;
    let tooLarge = false;
    const { ends } = this;
    const room = this.bytes.length;
    for (;;) {
      const address = at === 0 ? this.#address : BigInt(this.#base + at);
      const size = calls.zmq_recv(socket, address, room - at, dontWait);
      if (size < 0) {
        // A signal came (profilers send them): that says nothing about messages.
        if (calls.zmq_errno() === Errno.interrupted) continue;
        return parts === 0 && !tooLarge ? Received.nothing : Received.failed;
      }
      // What did not fit is gone.
      if (size > room - at || parts === mostParts) tooLarge = true;
      else ends[parts++] = at += size;
      calls.zmq_getsockopt(socket, Option.rcvmore, this.#moreAddress, this.#lengthAddress);
      if (this.#more[0] === 0) return tooLarge ? Received.tooLarge : parts;
    }
  }

  /** Bytes of part `index`, in the shared memory: good until the next message. */
  view(index: number): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(index === 0 ? 0 : this.ends[index - 1], this.ends[index]);
  }

  /** Bytes of part `index`, to keep. */
  copy(index: number): Uint8Array<ArrayBuffer> {
    return copyOf(this.bytes, index === 0 ? 0 : this.ends[index - 1]!, this.ends[index]!);
  }
}

/**
 * Where the memory of `array` is, for as long as the array is kept. Arrays of 64 bytes and less must have been made over
 * an ArrayBuffer of their own: otherwise their elements live in the heap, where the collector moves them.
 */
export function addressOf(array: ArrayBufferView<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(array)));
}
