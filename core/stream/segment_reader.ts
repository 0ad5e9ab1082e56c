/**
 * Reads one segment from its first byte to the end that it has then, with little memory however large it is, and passes what
 * is damaged as lane_reader.ts does: by the next place where a record stands whose checksum and sequence hold. For those who
 * look at a spool from outside: it takes no lock, changes nothing and does not follow what is being written.
 */
import type { SpoolRecord } from "./contract.ts";
import {
  type Found,
  readRecord,
  readSegmentHeader,
  recordHeadBytes,
  recordOverheadBytes,
  recordPrefixBytes,
  segmentHeaderBytes,
} from "./record_codec.ts";
import type { SegmentFile } from "./segment_file.ts";

const chunkBytes = 1024 * 1024;

/** A record and its place. */
export interface PlacedRecord {
  readonly record: SpoolRecord;
  /** Where it begins in its file. */
  readonly offset: number;
}

/** Bytes of a segment that are no records. */
export interface Unread {
  readonly offset: number;
  readonly bytes: number;
  readonly cause: string;
  /** It is the end of the file, and may be a record that is being written or was cut off. */
  readonly isTail: boolean;
}

/** One pass over a segment: iterate it once, to its end, then look at `unread`. */
export class SegmentReader {
  /** What the segment says of itself; undefined where that is damaged or not written yet. */
  header: { readonly firstSequence: number; readonly epochMs: number } | undefined;
  /** What was passed, in order; complete when the last record was given out. */
  readonly unread: Unread[] = [];
  /** Bytes of the file when it was opened: what is written from then on is not read. */
  readonly size: number;
  readonly #file: SegmentFile;
  readonly #last: number;
  /** Sequence of the record before the place. */
  #previous: number;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** Where `#bytes` begins in the file. */
  #from = 0;

  /** `file` is this reader's to close. `first` and `last`: as the segment is named. */
  constructor(file: SegmentFile, { first, last }: { first: number; last: number }) {
    this.#file = file;
    this.#previous = first - 1;
    this.#last = last === 0 ? Number.MAX_SAFE_INTEGER : last;
    this.size = file.look().size;
  }

  /** Every record that can be read; closes the file. */
  *[Symbol.iterator](): Generator<PlacedRecord> {
    try {
      let offset = this.#readHeader();
      while (offset < this.size) {
        const found = this.#recordAt(offset);
        if (found.kind !== "record") {
          offset = this.#pass(offset, found);
          continue;
        }
        yield { record: found.record, offset };
        this.#previous = found.record.sequence;
        offset = this.#from + found.end;
      }
    } finally {
      this.#file.close();
    }
  }

  #readHeader(): number {
    this.#fill(0, segmentHeaderBytes);
    this.header = readSegmentHeader(this.#bytes);
    if (this.header === undefined) {
      const bytes = Math.min(segmentHeaderBytes, this.size);
      const isTail = this.size < segmentHeaderBytes;
      this.unread.push({
        offset: 0,
        bytes,
        cause: `the header is ${isTail ? "cut off" : "damaged"}`,
        isTail,
      });
    }
    return segmentHeaderBytes;
  }

  /** In memory that stays as it is: `end` counts from `#from`. */
  #recordAt(offset: number): Found {
    this.#fill(offset, recordOverheadBytes);
    // The length of a damaged record may be anything: one that leads out of the file is as long as the file may be.
    const found = readRecord(this.#bytes, this.#view, offset - this.#from, Number.MAX_SAFE_INTEGER);
    if (found.kind !== "partial" || offset + found.needs > this.size) return found;
    this.#fill(offset, found.needs);
    return readRecord(this.#bytes, this.#view, offset - this.#from, Number.MAX_SAFE_INTEGER);
  }

  /** Notes what is no record at `offset`; the place of the next one, or the end of the file. */
  #pass(offset: number, found: Exclude<Found, { kind: "record" }>): number {
    let at = offset + 1;
    for (; at + recordOverheadBytes <= this.size; at++) {
      if (this.#mayBegin(at, offset) && this.#recordAt(at).kind === "record") break;
    }
    const isEnd = at + recordOverheadBytes > this.size;
    const to = isEnd ? this.size : at;
    const isTail = isEnd && found.kind === "partial";
    const cause = found.kind === "damaged"
      ? found.cause
      : isTail
      ? "the last record is cut off"
      : "a record that is longer than what follows";
    this.unread.push({ offset, bytes: to - offset, cause, isTail });
    return to;
  }

  /** Whether a record could stand at `at`, by its length and sequence: the bytes from `from` on have room for so many. */
  #mayBegin(at: number, from: number): boolean {
    this.#fill(at, recordOverheadBytes);
    const place = at - this.#from;
    if (place + recordOverheadBytes > this.#bytes.length) return false;
    const length = this.#view.getUint32(place, true);
    if (length < recordHeadBytes || at + recordPrefixBytes + length > this.size) return false;
    const sequence = this.#view.getUint32(place + 8, true) + this.#view.getUint32(place + 12, true) * 2 ** 32;
    const most = this.#previous + 1 + Math.floor((at - from) / recordOverheadBytes);
    return sequence > this.#previous && sequence <= Math.min(most, this.#last);
  }

  /** Has `count` bytes from `offset` on at hand, as far as the disk gives them. Records are views: it takes new memory. */
  #fill(offset: number, count: number): void {
    const wanted = Math.min(offset + count, this.size);
    if (offset >= this.#from && this.#from + this.#bytes.length >= wanted) return;
    this.#bytes = this.#file.read(offset, Math.min(this.size - offset, Math.max(chunkBytes, count)));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    this.#from = offset;
  }
}
