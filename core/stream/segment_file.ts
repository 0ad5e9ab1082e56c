/**
 * A segment as a file that is read at places of its own choosing. What cannot be read (EIO) is an outcome: the bytes
 * before it are given, and nothing is thrown.
 */

const pageBytes = 4096;

/** Reads one open segment; tests give others. */
export interface SegmentFile {
  /**
   * Size, number of names (none: it was unlinked) and epoch ms of the last change, a new name among them. Throws where the
   * disk does not say.
   */
  look(): { size: number; links: number; changedAt: number };
  /** New memory with up to `length` bytes from `offset`: fewer at the end of the file or before what cannot be read. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  close(): void;
}

/** Opens a segment; undefined where there is none of that name any more. */
export type OpenSegment = (path: string) => SegmentFile | undefined;

/** Opens a segment of the disk. */
export function openSegment(path: string): SegmentFile | undefined {
  try {
    return new DiskSegment(Deno.openSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** First byte of the page after the one of `offset`: where reading may work again. */
export function nextPage(offset: number): number {
  return (Math.floor(offset / pageBytes) + 1) * pageBytes;
}

class DiskSegment implements SegmentFile {
  readonly #file: Deno.FsFile;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  look(): { size: number; links: number; changedAt: number } {
    const { size, nlink, ctime } = this.#file.statSync();
    return { size, links: nlink ?? 1, changedAt: ctime?.getTime() ?? 0 };
  }

  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    const filled = readInto(this.#file, offset, bytes);
    return filled === length ? bytes : bytes.subarray(0, filled);
  }

  close(): void {
    this.#file.close();
  }
}

/** Fills `bytes` from `offset`; how many there were before the end, or before a page that cannot be read. */
function readInto(file: Deno.FsFile, offset: number, bytes: Uint8Array): number {
  let filled = 0;
  let pieceBytes = bytes.length;
  while (filled < bytes.length) {
    try {
      file.seekSync(offset + filled, Deno.SeekMode.Start);
      const count = file.readSync(bytes.subarray(filled, Math.min(bytes.length, filled + pieceBytes)));
      if (count === null) break;
      filled += count;
    } catch {
      // what is readable before the bad page is taken page by page
      if (pieceBytes <= pageBytes) break;
      pieceBytes = pageBytes - (offset + filled) % pageBytes;
      continue;
    }
    if (pieceBytes < pageBytes) pieceBytes = pageBytes;
  }
  return filled;
}
