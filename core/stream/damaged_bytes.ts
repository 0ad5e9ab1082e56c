/**
 * Keeps what could not be read of segments, for people: `<stream>/damaged/<lane>-<sequence>.bin`. Bounded in number and in
 * bytes; past that nothing is kept. A disk that does not take a copy is no reason not to go on.
 */
import { join } from "node:path";
import type { SegmentFile } from "./segment_file.ts";

const maxFiles = 64;
const maxTotalBytes = 64 * 1024 * 1024;
const pieceBytes = 256 * 1024;

/** Copies damaged parts of segments. */
export class DamagedBytes {
  readonly #folder: string;

  constructor(streamFolder: string) {
    this.#folder = join(streamFolder, "damaged");
  }

  /** Copies the bytes from `from` to `to`, which stood where `sequence` was to come; the path of the copy, or "". */
  keep(lane: string, sequence: number, file: SegmentFile, from: number, to: number): string {
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      let files = 0;
      let bytes = 0;
      for (const { name } of Deno.readDirSync(this.#folder)) {
        files++;
        bytes += Deno.statSync(join(this.#folder, name)).size;
      }
      if (files >= maxFiles || bytes + (to - from) > maxTotalBytes) return "";
      const path = join(this.#folder, `${lane}-${sequence}.bin`);
      using copy = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
      for (let at = from; at < to;) {
        const piece = file.read(at, Math.min(pieceBytes, to - at));
        if (piece.length === 0) break;
        for (let done = 0; done < piece.length;) done += copy.writeSync(piece.subarray(done));
        at += piece.length;
      }
      return path;
    } catch {
      return "";
    }
  }
}
