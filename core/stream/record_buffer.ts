/**
 * Records that wait to be written, one behind the other as they will stand in a segment, in memory that is used again. They
 * have no numbers yet: a record gets its number when it is written, so that one that could not be written leaves no gap.
 *
 * Records of one buffer stand in groups: a group goes to one segment as a whole, and its senders share one promise. So a
 * promise is made per group, not per record.
 */
import {
  layRecord,
  maxHeadersBytes,
  maxKeyBytes,
  recordEnd,
  type RecordHead,
  recordOverheadBytes,
  renumberRecord,
} from "./record_codec.ts";
import { bytesOf, type Prepared, writeValue } from "./value_encoders.ts";

/** Neighbours in a buffer. */
export interface RecordGroup {
  bytes: number;
  records: number;
  /** Settled when its records are written or not; null where nobody waits. */
  readonly sent: PromiseWithResolvers<void> | null;
  /** Epoch ms of the earliest deadline among its senders. */
  deadline: number;
  /** That of its first sender, near which the others' are. */
  readonly base: number;
}

/** The parts of a record before it is in a buffer. */
export interface RecordParts {
  readonly value: Prepared;
  readonly key: Uint8Array | null;
  readonly headers: Uint8Array | null;
  readonly timestamp: number;
}

/** Groups that are to be written at once. */
export interface Piece {
  readonly groups: readonly RecordGroup[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly records: number;
}

export interface BufferLimits {
  /** Most bytes of a buffer. */
  readonly maxBytes: number;
  /** Most bytes of a group; a longer record is a group by itself. */
  readonly groupBytes: number;
  /** Senders whose deadlines are further apart do not share a group. */
  readonly deadlineSpreadMs: number;
}

const firstBytes = 64 * 1024;
/** A buffer that was not half full for so many uses gives half of its memory back. */
const shrinkAfter = 256;

/** See the module's header. */
export class RecordBuffer {
  #bytes = new Uint8Array(firstBytes);
  #view = new DataView(this.#bytes.buffer);
  /** First byte that is not written yet. */
  #start = 0;
  #end = 0;
  #groups: RecordGroup[] = [];
  #records = 0;
  /** Whether somebody waits for a record of this buffer. */
  awaited = false;
  #smallUses = 0;
  readonly #limits: BufferLimits;
  readonly #head: RecordHead = { sequence: 0, timestamp: 0, key: null, headers: null, valueLength: 0 };

  constructor(limits: BufferLimits) {
    this.#limits = limits;
  }

  /** Records that wait. */
  get records(): number {
    return this.#records;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#end - this.#start;
  }

  get groups(): readonly RecordGroup[] {
    return this.#groups;
  }

  /** Bytes of the first record. */
  get firstRecordBytes(): number {
    return recordEnd(this.#view, this.#start) - this.#start;
  }

  /**
   * Appends a record; `deadline` of who waits for it, -1 where nobody does. Undefined where there is no room. Throws
   * RangeError where key, headers and value are longer than `maxRecordBytes`; then nothing has changed.
   */
  append(parts: RecordParts, maxRecordBytes: number, deadline: number): RecordGroup | undefined {
    const { value, key, headers } = parts;
    const before = (key?.length ?? 0) + (headers?.length ?? 0);
    const valueAt = this.#end + recordOverheadBytes + before;
    let valueLength = writeValue(value, this.#bytes, valueAt);
    if (valueLength < 0 || before + valueLength > maxRecordBytes) {
      const needs = bytesOf(value);
      checkSize(before + needs, maxRecordBytes);
      if (!this.#grow(valueAt + needs)) return undefined;
      valueLength = writeValue(value, this.#bytes, valueAt);
    }
    const head = this.#head;
    head.timestamp = parts.timestamp;
    head.key = key;
    head.headers = headers;
    head.valueLength = valueLength;
    layRecord(this.#bytes, this.#view, this.#end, head);
    const length = recordOverheadBytes + before + valueLength;
    this.#end += length;
    return this.#join(length, deadline);
  }

  /** Appends a record that another buffer has laid out. False where there is no room. */
  appendLaid(laid: Uint8Array, deadline: number): RecordGroup | undefined {
    if (!this.#grow(this.#end + laid.length)) return undefined;
    this.#bytes.set(laid, this.#end);
    this.#end += laid.length;
    return this.#join(laid.length, deadline);
  }

  /** What waits, in memory of its own. */
  copy(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#end);
  }

  /** Numbers from `sequence` on the groups at the front that fit in `room` bytes; undefined where the first does not fit. */
  seal(room: number, sequence: number): Piece | undefined {
    let length = 0;
    let count = 0;
    let records = 0;
    for (const group of this.#groups) {
      if (length + group.bytes > room) break;
      length += group.bytes;
      records += group.records;
      count++;
    }
    if (count === 0) return undefined;
    const end = this.#start + length;
    for (let at = this.#start; at < end;) at = renumberRecord(this.#bytes, this.#view, at, sequence++);
    return { groups: this.#groups.slice(0, count), bytes: this.#bytes.subarray(this.#start, end), records };
  }

  /** Takes away what {@link seal} gave. */
  shift(piece: Piece): void {
    this.#start += piece.bytes.length;
    this.#records -= piece.records;
    this.#groups.splice(0, piece.groups.length);
  }

  /** Takes away the groups for which `which` is true and closes the gaps. */
  remove(which: (group: RecordGroup) => boolean): RecordGroup[] {
    const removed: RecordGroup[] = [];
    const kept: RecordGroup[] = [];
    let to = this.#start;
    let at = this.#start;
    for (const group of this.#groups) {
      if (which(group)) {
        removed.push(group);
        this.#records -= group.records;
      } else {
        if (to !== at) this.#bytes.copyWithin(to, at, at + group.bytes);
        to += group.bytes;
        kept.push(group);
      }
      at += group.bytes;
    }
    this.#end = to;
    this.#groups = kept;
    return removed;
  }

  /** Makes it empty, ready for the next use. */
  reset(): void {
    const used = this.#end;
    this.#start = this.#end = this.#records = 0;
    this.#groups.length = 0;
    this.awaited = false;
    if (used * 2 > this.#bytes.length || this.#bytes.length <= firstBytes) this.#smallUses = 0;
    else if (++this.#smallUses >= shrinkAfter) this.#resize(this.#bytes.length >> 1);
  }

  #join(bytes: number, deadline: number): RecordGroup {
    this.#records++;
    const waits = deadline >= 0;
    if (waits) this.awaited = true;
    const last = this.#groups.at(-1);
    if (
      last !== undefined && (last.sent !== null) === waits && last.bytes + bytes <= this.#limits.groupBytes &&
      (!waits || last.base === deadline ||
        Math.abs(last.base - deadline) <= this.#limits.deadlineSpreadMs)
    ) {
      last.bytes += bytes;
      last.records++;
      if (deadline < last.deadline) last.deadline = deadline;
      return last;
    }
    const sent = waits ? Promise.withResolvers<void>() : null;
    // Who sends and does not wait must not end the process.
    sent?.promise.catch(ignore);
    const group: RecordGroup = { bytes, records: 1, sent, deadline, base: deadline };
    this.#groups.push(group);
    return group;
  }

  /** False where that is more than it may have. */
  #grow(needs: number): boolean {
    if (needs <= this.#bytes.length) return true;
    if (needs > this.#limits.maxBytes) return false;
    let length = this.#bytes.length;
    while (length < needs) length *= 2;
    this.#resize(Math.min(length, this.#limits.maxBytes));
    return true;
  }

  #resize(length: number): void {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#smallUses = 0;
  }
}

/** Where `written` bytes of a piece end in the last record that is whole: bytes and records up to there. */
export function wholeUpTo(piece: Piece, written: number): { bytes: number; records: number } {
  const view = new DataView(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.byteLength);
  let bytes = 0;
  let records = 0;
  while (bytes < written) {
    const end = recordEnd(view, bytes);
    if (end > written) break;
    bytes = end;
    records++;
  }
  return { bytes, records };
}

/** Throws RangeError for a key or headers that a record cannot have. */
export function checkHead(key: Uint8Array | null, headers: Uint8Array | null): void {
  if (key !== null && key.length > maxKeyBytes) {
    throw new RangeError(`Cannot send a record with a key of ${key.length} bytes: ${maxKeyBytes} at most`);
  }
  if (headers !== null && headers.length > maxHeadersBytes) {
    throw new RangeError(
      `Cannot send a record with headers of ${headers.length} bytes: ${maxHeadersBytes} at most`,
    );
  }
}

function checkSize(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw new RangeError(`Cannot send a record of ${bytes} bytes: ${maxBytes} at most`);
}

function ignore(): void {}
