/**
 * Writing lines to a byte stream in pieces that end at line ends, and knowing afterwards how many whole lines are out.
 */
import type { WriteResult } from "./sink.ts";

const encoder = new TextEncoder();

/** Something that takes bytes, perhaps fewer than offered. */
export type ByteWriter = (bytes: Uint8Array) => Promise<number>;

/**
 * Writes `lines` in pieces of whole lines of at most `maxPieceBytes` (a longer line is a piece of its own). `torn` is
 * true when the last piece went out partly and ends inside a line.
 */
export async function writeWholeLines(
  lines: readonly string[],
  maxPieceBytes: number,
  write: ByteWriter,
): Promise<WriteResult & { torn: boolean }> {
  const bytes = encoder.encode(lines.join(""));
  let offset = 0;
  while (offset < bytes.length) {
    const end = pieceEnd(bytes, offset, maxPieceBytes);
    while (offset < end) {
      try {
        offset += await write(bytes.subarray(offset, end));
      } catch (error) {
        const written = countWhole(lines, offset);
        return { ...written, error };
      }
    }
  }
  return { written: lines.length, torn: false };
}

function pieceEnd(bytes: Uint8Array, from: number, maxBytes: number): number {
  if (bytes.length - from <= maxBytes) return bytes.length;
  const lastInside = bytes.lastIndexOf(10, from + maxBytes - 1);
  if (lastInside >= from) return lastInside + 1;
  const next = bytes.indexOf(10, from + maxBytes);
  return next < 0 ? bytes.length : next + 1;
}

function countWhole(lines: readonly string[], bytesOut: number): { written: number; torn: boolean } {
  let end = 0;
  for (let i = 0; i < lines.length; i++) {
    const next = end + encoder.encode(lines[i]!).length;
    if (next > bytesOut) return { written: i, torn: bytesOut > end };
    end = next;
  }
  return { written: lines.length, torn: false };
}
