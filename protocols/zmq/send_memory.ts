/**
 * Sends all parts of a message with one call: small parts are copied into memory whose address is known, large ones are
 * sent from where they are. libzmq has copied everything when the call returns.
 */
import { dontWait, Errno, sendMore, type ZmqCalls } from "./library.ts";
import { addressOf, mostParts } from "./receive_memory.ts";

const memoryBytes = 64 * 1024;
/** Parts of this size and more are not copied. */
const largeBytes = 8 * 1024;
/** Parts of one message, envelope and signature included. */
const mostSent = 2 * mostParts;
const wordBase = 2 ** 32;

/** See the module's header. */
export class SendMemory {
  readonly #bytes = new Uint8Array(memoryBytes);
  /** struct iovec { void *iov_base; size_t iov_len; }, low words first. */
  readonly #words = new Uint32Array(4 * mostSent);
  readonly #base = Number(addressOf(this.#bytes));
  readonly #listAddress = addressOf(this.#words);
  #count = 0;
  #used = 0;

  /** Begins another message. */
  begin(): void {
    this.#count = this.#used = 0;
  }

  /** Adds a part. Throws RangeError where a message has too many. */
  add(part: Uint8Array): void {
    if (this.#count === mostSent) {
      throw new RangeError(`Cannot send a message of more than ${mostSent} parts`);
    }
    const size = part.length;
    let address: number;
    if (size < largeBytes && this.#used + size <= memoryBytes) {
      this.#bytes.set(part, this.#used);
      address = this.#base + this.#used;
      this.#used += size;
    } else address = Number(addressOf(part as Uint8Array<ArrayBuffer>));
    const at = 4 * this.#count++;
    this.#words[at] = address >>> 0;
    this.#words[at + 1] = address / wordBase;
    this.#words[at + 2] = size;
  }

  /** Sends what was added; false where that is not possible now, see `zmq_errno`. */
  send(calls: ZmqCalls, socket: Deno.PointerValue): boolean {
    // Of the parts behind the first one none is refused, so that none goes twice.
    while (calls.zmq_sendiov(socket, this.#listAddress, this.#count, dontWait | sendMore) < 0) {
      if (calls.zmq_errno() !== Errno.interrupted) return false;
    }
    return true;
  }
}
