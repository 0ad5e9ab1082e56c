/**
 * How far a lane is done, on disk.
 *
 * ```
 * cursor = slot · slot
 * slot   = "WCUR" · u32 crc32 of the 56 bytes behind it
 *          · f64 running number · f64 done-through sequence · f64 acked · f64 failed · f64 dropped · f64 damaged bytes
 *          · f64 epoch ms of the last acknowledgement
 * ```
 *
 * Little-endian. The two slots are written in turn, so that a torn write never loses the one before it. A write is as
 * safe as the kernel; {@link CursorFile.write} with `sync` as safe as the disk. An older cursor means that records come
 * twice, never that one is lost.
 */
import { crc32 } from "node:zlib";

const slotBytes = 64;
const magic = 0x52554357;

/** What was done of one lane. */
export interface LaneCounts {
  /** All records up to this sequence are acked, failed or dropped. */
  done: number;
  acked: number;
  failed: number;
  dropped: number;
  damagedBytes: number;
  /** Epoch ms; 0 before the first. */
  ackedAt: number;
}

/** Reads and writes the cursor of one lane. */
export class CursorFile {
  readonly #path: string;
  #number = 0;
  /** There was a file, and none of its slots holds. */
  damaged = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** How often it was written. */
  get number(): number {
    return this.#number;
  }

  /** The newest slot that holds; undefined where there is none. Throws where the disk does not say. */
  read(): LaneCounts | undefined {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = Deno.readFileSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    const slots = [readSlot(bytes, 0), readSlot(bytes, slotBytes)].filter((slot) => slot !== undefined);
    this.damaged = bytes.length > 0 && slots.length === 0;
    const newest = slots.sort((a, b) => b.number - a.number)[0];
    if (newest === undefined) return undefined;
    this.#number = newest.number;
    return newest.counts;
  }

  /** Throws where the disk does not take it; then the slot before is still there. */
  write(counts: LaneCounts, options: { sync: boolean }): void {
    const number = this.#number + 1;
    const bytes = new Uint8Array(slotBytes);
    const view = new DataView(bytes.buffer);
    const numbers = [
      number,
      counts.done,
      counts.acked,
      counts.failed,
      counts.dropped,
      counts.damagedBytes,
      counts.ackedAt,
    ];
    for (let index = 0; index < numbers.length; index++) {
      view.setFloat64(8 + 8 * index, numbers[index]!, true);
    }
    view.setUint32(0, magic, true);
    view.setUint32(4, crc32(bytes.subarray(8)), true);
    using file = Deno.openSync(this.#path, { write: true, create: true, mode: 0o600 });
    file.seekSync(number % 2 * slotBytes, Deno.SeekMode.Start);
    for (let at = 0; at < slotBytes;) at += file.writeSync(bytes.subarray(at));
    if (options.sync) file.syncDataSync();
    this.#number = number;
  }
}

function readSlot(bytes: Uint8Array, at: number): { number: number; counts: LaneCounts } | undefined {
  if (bytes.length < at + slotBytes) return undefined;
  const slot = bytes.subarray(at, at + slotBytes);
  const view = new DataView(slot.buffer, slot.byteOffset, slotBytes);
  if (view.getUint32(0, true) !== magic || view.getUint32(4, true) !== crc32(slot.subarray(8))) {
    return undefined;
  }
  const number = (index: number) => view.getFloat64(8 + 8 * index, true);
  return {
    number: number(0),
    counts: {
      done: number(1),
      acked: number(2),
      failed: number(3),
      dropped: number(4),
      damagedBytes: number(5),
      ackedAt: number(6),
    },
  };
}
