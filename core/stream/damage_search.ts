/**
 * Finds where records go on behind damage: byte by byte, the next place where a record stands whose checksum holds and whose
 * sequence could be there, which is greater than the last one, and by no more than the bytes between have room for. A bounded
 * part of it at once.
 */
import { readRecord, recordHeadBytes, recordOverheadBytes, recordPrefixBytes } from "./record_codec.ts";
import { nextPage, type SegmentFile } from "./segment_file.ts";

/** A search under way. */
export interface DamageSearch {
  readonly cause: string;
  /** Where the damage begins. */
  readonly from: number;
  /** All places before this one were looked at. */
  at: number;
}

/** What is known of the segment. */
export interface SearchedSegment {
  readonly file: SegmentFile;
  readonly size: number;
  /** Nothing will be appended to it. */
  readonly final: boolean;
  /** Sequence of the record before the damage. */
  readonly previous: number;
  /** Of the last record of the segment; 0 where that is not known. */
  readonly last: number;
  readonly maxRecordBytes: number;
  readonly chunkBytes: number;
}

/** more: the search goes on. wait: its end is not written yet. nothing: no record is behind the damage. */
export type Searched =
  | { readonly kind: "record"; readonly at: number; readonly sequence: number }
  | { readonly kind: "more" | "wait" | "nothing" };

const bytesPerTurn = 4 * 1024 * 1024;

/** Goes on with a search. */
export function searchRecord(search: DamageSearch, segment: SearchedSegment): Searched {
  const { file, size, final, chunkBytes } = segment;
  let budget = bytesPerTurn;
  while (budget > 0) {
    if (search.at + recordOverheadBytes > size) return { kind: final ? "nothing" : "wait" };
    const start = search.at;
    const chunk = file.read(start, Math.min(size - start, chunkBytes));
    if (chunk.length < recordOverheadBytes) {
      // what cannot be read is passed by the page
      search.at = chunk.length === 0 ? nextPage(start) : start + chunk.length;
      budget -= recordOverheadBytes;
      continue;
    }
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at + recordOverheadBytes <= chunk.length; at++) {
      const place = start + at;
      if (!isPlausible(view, at, place - search.from, segment)) continue;
      const length = recordPrefixBytes + view.getUint32(at, true);
      search.at = place;
      if (place + length > size) {
        if (!final) return { kind: "wait" };
        continue;
      }
      budget -= length;
      const sequence = sequenceAt(chunk, view, at, length, place, segment);
      if (sequence > 0) return { kind: "record", at: place, sequence };
      search.at = place + 1;
      if (budget <= 0) return { kind: "more" };
    }
    budget -= chunk.length;
    search.at = start + chunk.length - recordOverheadBytes + 1;
  }
  return { kind: "more" };
}

/** Whether a record could begin here, by its length and sequence; `bytesBefore`: damaged bytes before it. */
function isPlausible(view: DataView, at: number, bytesBefore: number, segment: SearchedSegment): boolean {
  const { previous, last, maxRecordBytes } = segment;
  const length = view.getUint32(at, true);
  if (length < recordHeadBytes || length + recordPrefixBytes > maxRecordBytes) return false;
  const sequence = view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 2 ** 32;
  const room = Math.floor(bytesBefore / recordOverheadBytes);
  return sequence > previous && sequence <= previous + 1 + room && (last === 0 || sequence <= last);
}

/** Sequence of the record at `at` of the chunk, which is `place` of the file; 0 where there is none. */
function sequenceAt(
  chunk: Uint8Array<ArrayBuffer>,
  view: DataView,
  at: number,
  length: number,
  place: number,
  { file, maxRecordBytes }: SearchedSegment,
): number {
  let found = readRecord(chunk, view, at, maxRecordBytes);
  if (found.kind === "partial") {
    const bytes = file.read(place, length);
    found = readRecord(
      bytes,
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      maxRecordBytes,
    );
  }
  return found.kind === "record" ? found.record.sequence : 0;
}
