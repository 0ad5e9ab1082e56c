/**
 * The last sequence of a lane, however far behind its reader is: names of closed segments tell it, and of the segment
 * that is written the heads of the records are followed. It believes lengths and sequences, not checksums; where they
 * make no sense it stands still until the reader has passed the place.
 */
import { join } from "node:path";
import {
  recordHeadBytes,
  recordOverheadBytes,
  recordPrefixBytes,
  segmentHeaderBytes,
} from "./record_codec.ts";
import type { OpenSegment, SegmentFile } from "./segment_file.ts";
import type { SegmentList } from "./segment_list.ts";

const pieceBytes = 256 * 1024;
const bytesPerTurn = 32 * 1024 * 1024;

/** Follows the end of one lane. */
export class LaneTail {
  /** Last sequence that was seen. */
  known = 0;
  /** The last look ended at the end of the file, or at a place that only the reader can pass. */
  caughtUp = false;
  readonly #list: SegmentList;
  readonly #open: OpenSegment;
  readonly #maxRecordBytes: number;
  #first = -1;
  #offset = 0;
  #sequence = 0;

  constructor(list: SegmentList, options: { open: OpenSegment; maxRecordBytes: number }) {
    this.#list = list;
    this.#open = options.open;
    this.#maxRecordBytes = options.maxRecordBytes;
  }

  /** Looks at what was appended since, a bounded part of it; `place`: where the reader stands. */
  look(read: number, place: { first: number; offset: number; previous: number } | undefined): void {
    this.known = Math.max(this.known, read);
    const last = this.#list.segments.at(-1);
    this.caughtUp = true;
    if (last === undefined) return;
    this.known = Math.max(this.known, last.last, last.first - 1);
    if (last.last > 0) return;
    if (last.first !== this.#first) {
      this.#first = last.first;
      this.#offset = segmentHeaderBytes;
      this.#sequence = last.first - 1;
    }
    if (place?.first === last.first && place.offset > this.#offset) {
      this.#offset = place.offset;
      this.#sequence = place.previous;
    }
    const file = this.#open(join(this.#list.folder, last.file));
    // it was closed: its new name will tell
    if (file === undefined) return;
    try {
      this.#follow(file);
    } finally {
      file.close();
    }
    this.known = Math.max(this.known, this.#sequence);
  }

  #follow(file: SegmentFile): void {
    const { size } = file.look();
    const until = this.#offset + bytesPerTurn;
    while (this.#offset + recordOverheadBytes <= size) {
      if (this.#offset >= until) {
        this.caughtUp = false;
        return;
      }
      const bytes = file.read(this.#offset, Math.min(pieceBytes, size - this.#offset));
      if (!this.#hop(bytes, size)) return;
    }
  }

  /** Follows the heads in `bytes`, which stand at the offset; false where it must stop. */
  #hop(bytes: Uint8Array<ArrayBuffer>, size: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = this.#offset;
    while (this.#offset - start + recordOverheadBytes <= bytes.length) {
      const at = this.#offset - start;
      const length = view.getUint32(at, true);
      const sequence = view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32;
      const end = this.#offset + recordPrefixBytes + length;
      const sane = length >= recordHeadBytes && recordPrefixBytes + length <= this.#maxRecordBytes;
      if (!sane || sequence !== this.#sequence + 1 || end > size) return false;
      this.#sequence = sequence;
      this.#offset = end;
    }
    return this.#offset > start;
  }
}
