/**
 * The thread's end of its answers: written into the ring, or sent by message where they are too large for it or are no
 * payload. The pool is told of several at a time, because telling costs more than answering.
 */
import { answerHead, AnswerStatus, type FromThread } from "./thread_protocol.ts";
import { noRoom, type Payload, PayloadWriter, tooLarge } from "./message.ts";
import type { Ring } from "./ring.ts";
import { encodeError } from "./wire_error.ts";

/** Longest time that an answer waits for the next ones to be announced with it. */
const announceMs = 0.1;

/** Writes the answers of one thread. */
export class AnswerWriter {
  readonly #ring: Ring;
  readonly #writer: PayloadWriter;
  readonly #bell: Int32Array<SharedArrayBuffer>;
  readonly #post: (message: FromThread) => void;
  /** When the first answer was written that the pool has not been told of; 0 when there is none. */
  #unannouncedMs = 0;

  /** The pool waits on word 0 of `bell`, and says in word 1 that it wants to be told. */
  constructor(ring: Ring, bell: SharedArrayBuffer, post: (message: FromThread) => void) {
    this.#ring = ring;
    this.#writer = new PayloadWriter(ring, ring.maxBody - answerHead);
    this.#bell = new Int32Array(bell);
    this.#post = post;
  }

  /** Answers with `payload`; a promise while the ring is full, so that nothing more is claimed until there is room. */
  answer(call: number, payload: Payload, startedMs: number, nowMs: number): Promise<void> | undefined {
    return this.#write(call, AnswerStatus.ok, payload, startedMs, nowMs);
  }

  /** Answers with any value that can be cloned. */
  answerByMessage(call: number, value: unknown, runMs: number): void {
    try {
      this.#post({ t: "answer", call, runMs, ok: true, value });
    } catch (error) {
      this.#post({ t: "answer", call, runMs, ok: false, error: encodeError(error) });
    }
  }

  /** Answers with what was thrown; a promise as with {@link answer}. */
  fail(call: number, error: unknown, startedMs: number, nowMs: number): Promise<void> | undefined {
    const head = JSON.stringify(encodeError(error));
    return this.#write(call, AnswerStatus.error, { head, body: undefined }, startedMs, nowMs);
  }

  #write(
    call: number,
    status: number,
    payload: Payload,
    startedMs: number,
    nowMs: number,
  ): Promise<void> | undefined {
    const ring = this.#ring;
    const writer = this.#writer;
    const runMs = nowMs - startedMs;
    const at = writer.write(answerHead, payload);
    if (at === noRoom) return this.#writeLater(call, status, payload, startedMs, nowMs);
    if (at === tooLarge) return void this.#writeLarge(call, status, payload, runMs);
    const word = at >> 2;
    ring.i32[word] = call;
    ring.i32[word + 1] = status;
    ring.f64[(at >> 3) + 1] = runMs;
    ring.i32[word + 4] = writer.bytes;
    ring.i32[word + 5] = writer.shape;
    ring.commit();
    if (this.#unannouncedMs === 0) this.#unannouncedMs = nowMs;
    return undefined;
  }

  #writeLarge(call: number, status: number, payload: Payload, runMs: number): void {
    if (status === AnswerStatus.ok) {
      return this.#post({ t: "answer", call, runMs, ok: true, value: ownBytes(payload) });
    }
    const error = JSON.parse((payload as { head: string }).head);
    this.#post({ t: "answer", call, runMs, ok: false, error });
  }

  async #writeLater(
    call: number,
    status: number,
    payload: Payload,
    startedMs: number,
    nowMs: number,
  ): Promise<void> {
    this.announce();
    await this.#ring.room();
    await this.#write(call, status, payload, startedMs, nowMs);
    this.announce();
  }

  /** Tells the pool of answers that have waited long enough. */
  announceDue(nowMs: number): void {
    if (this.#unannouncedMs !== 0 && nowMs - this.#unannouncedMs > announceMs) this.announce();
  }

  /** Wakes the pool when it sleeps and there are answers it has not been told of. */
  announce(): void {
    if (this.#unannouncedMs === 0) return;
    this.#unannouncedMs = 0;
    if (Atomics.load(this.#bell, 1) === 0 || Atomics.exchange(this.#bell, 1, 0) === 0) return;
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }
}

/** A view of a larger buffer would take all of that along. */
function ownBytes(payload: Payload): Payload {
  if (!(payload instanceof Uint8Array)) return payload;
  return payload.byteLength === payload.buffer.byteLength ? payload : payload.slice();
}
