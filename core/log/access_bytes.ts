/**
 * The access line of the common case as bytes: one JSON sink, a plain request line. Lines are put together in one
 * buffer from prepared pieces and handed over many at a time, so that a line makes no garbage. What does not fit this
 * mould (control characters, redaction, other forms) goes the ordinary way.
 */
import type { Clock } from "../clock.ts";
import type { Sink } from "./sink.ts";
import { timestamp } from "./timestamp.ts";

const bufferBytes = 64 * 1024;
/** More than any line takes: prepared pieces, numbers and the longest plain request line. */
const lineRoom = 4096;
const longestText = 2048;
const longestId = 128;
const gatherMs = 50;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Gathers lines for `sink`. */
export class AccessBytes {
  readonly #sink: Sink;
  readonly #head: Uint8Array;
  readonly #tail: Uint8Array;
  readonly #buffer = new Uint8Array(bufferBytes);
  #at = 0;
  #lines = 0;
  readonly #clock: Clock;
  #cancelTimer: (() => void) | undefined;
  #second = NaN;
  #date = new Uint8Array(0);
  #reason = "";
  #address = "";
  #status = -1;
  #middle = new Uint8Array(0);

  /** `head` is what stands between time and request line, `tail` the end of the line. */
  constructor(sink: Sink, head: string, tail: string, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
    this.#head = encoder.encode(head);
    this.#tail = encoder.encode(tail);
  }

  /** Takes the line, or returns false when it is not of the common kind. An empty id is left out. */
  write(
    epochMs: number,
    text: string,
    status: number,
    reason: string,
    address: string,
    id: string,
    queueMs: number,
    handlerMs: number,
    totalMs: number,
    bytes: number,
  ): boolean {
    if (text.length > longestText || id.length > longestId || !(epochMs > 0)) return false;
    const buffer = this.#buffer;
    let at = this.#putTime(buffer, this.#at, epochMs);
    at = put(buffer, at, this.#head);
    buffer[at++] = quote;
    at = putPlain(buffer, at, text);
    if (at < 0) return false;
    if (reason !== this.#reason || address !== this.#address || status !== this.#status) {
      if (!this.#remember(status, reason, address)) return false;
    }
    at = put(buffer, at, this.#middle);
    if (id !== "") {
      at = putPlain(buffer, put(buffer, at, idPiece), id);
      if (at < 0) return false;
      buffer[at++] = quote;
    }
    if (queueMs !== 0) {
      at = put(buffer, at, queuePiece);
      at = milliseconds(buffer, at, queueMs);
    }
    at = put(buffer, at, handlerPiece);
    at = milliseconds(buffer, at, handlerMs);
    at = put(buffer, at, totalPiece);
    at = milliseconds(buffer, at, totalMs);
    at = put(buffer, at, bytesPiece);
    at = integer(buffer, at, bytes);
    at = put(buffer, at, this.#tail);
    this.#at = at;
    this.#lines++;
    if (at > bufferBytes - lineRoom) this.flush();
    else if (this.#cancelTimer === undefined) this.#cancelTimer = this.#clock.after(gatherMs, this.#due);
    return true;
  }

  /** These lines have waited as long as lines may: the sink is not to gather any longer. */
  readonly #due = (): void => {
    this.flush();
    this.#sink.kick();
  };

  /** Hands over what was gathered. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#lines === 0) return;
    this.#sink.push(decoder.decode(this.#buffer.subarray(0, this.#at)), this.#lines);
    this.#at = this.#lines = 0;
  }

  #putTime(buffer: Uint8Array, at: number, epochMs: number): number {
    const second = Math.floor(epochMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = encoder.encode(`{"ts":"${timestamp(second * 1000).slice(0, 20)}`);
    }
    at = put(buffer, at, this.#date);
    return threeDigits(buffer, at, Math.floor(epochMs - second * 1000));
  }

  #remember(status: number, reason: string, address: string): boolean {
    const middle = `","status":${status},"reason":"${reason}","address":"${address}"`;
    if (!/^[\x20-\x7e]*$/.test(address) || /["\\]/.test(address)) return false;
    this.#status = status;
    this.#reason = reason;
    this.#address = address;
    this.#middle = encoder.encode(middle);
    return true;
  }
}

const quote = 0x22;
const idPiece = encoder.encode(',"id":"');
const queuePiece = encoder.encode(',"queue_ms":');
const handlerPiece = encoder.encode(',"handler_ms":');
const totalPiece = encoder.encode(',"total_ms":');
const bytesPiece = encoder.encode(',"bytes":');
const nullPiece = encoder.encode("null");

function put(buffer: Uint8Array, at: number, piece: Uint8Array): number {
  const { length } = piece;
  for (let i = 0; i < length; i++) buffer[at + i] = piece[i]!;
  return at + length;
}

/** Only what stands for itself in JSON and on a terminal; -1 for a text that has anything else. */
function putPlain(buffer: Uint8Array, at: number, text: string): number {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e || unit === quote || unit === 0x5c) return -1;
    buffer[at + i] = unit;
  }
  return at + length;
}

function threeDigits(buffer: Uint8Array, at: number, value: number): number {
  const hundreds = (value / 100) | 0;
  const tens = ((value - hundreds * 100) / 10) | 0;
  buffer[at] = 48 + hundreds;
  buffer[at + 1] = 48 + tens;
  buffer[at + 2] = 48 + (value - hundreds * 100 - tens * 10);
  return at + 3;
}

/** Decimal digits of an integer between -1e9 and 1e9. */
function integer(buffer: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    buffer[at++] = 45;
    value = -value;
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
  for (let i = digits - 1, rest = value | 0; i >= 0; i--) {
    const next = (rest / 10) | 0;
    buffer[at + i] = 48 + (rest - next * 10);
    rest = next;
  }
  return at + digits;
}

/** Milliseconds with three decimals; `null` for a phase that was not reached. */
function milliseconds(buffer: Uint8Array, at: number, durationMs: number): number {
  if (!(durationMs >= 0) || durationMs > 1_000_000) return put(buffer, at, nullPiece);
  const micros = (durationMs * 1000 + 0.5) | 0;
  const whole = (micros / 1000) | 0;
  at = integer(buffer, at, whole);
  buffer[at++] = 46;
  return threeDigits(buffer, at, micros - whole * 1000);
}
