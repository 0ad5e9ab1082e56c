/**
 * What a framing is, and which one a plan asks for. A framing knows where one frame ends and the next begins; it does
 * no I/O, keeps no state between calls and copies nothing. The decoder owns the bytes, the outbox the encoded ones.
 */
import type { FramingPlan } from "../../core/manifest/plan.ts";
import { Decoder } from "./decoder.ts";
import { delimiter } from "./delimiter.ts";
import { fixed } from "./fixed.ts";
import { lengthPrefix } from "./length_prefix.ts";
import { netstring } from "./netstring.ts";
import { varint } from "./varint.ts";

/** Where a scan is and what it found; one per decoder, so that finding a frame allocates nothing. */
export interface Cursor {
  /** Offset in the connection of index 0 of the bytes scanned; for error messages. */
  base: number;
  /** Index up to which an unfinished frame has been searched already. */
  searched: number;
  /** The frame found: indexes of its first byte and behind its last. */
  from: number;
  to: number;
  /** Index of the first byte behind the frame and its framing. */
  next: number;
}

/** One way to put frames on a byte stream. */
export interface Framing {
  readonly name: string;
  /** Longest frame that is taken, bytes, without its framing. */
  readonly maxBytes: number;
  /** Most bytes that the framing adds to a frame. */
  readonly overheadBytes: number;
  /**
   * Looks for the frame that begins at `start` in `bytes[start, end)`, which is never empty. Answers 0 with the frame
   * in `cursor`, or the total of bytes from `start` that the frame has at least (more than there are).
   * Throws FramingError as soon as the bytes cannot become a frame, without waiting for its end.
   */
  scan(bytes: Uint8Array, start: number, end: number, cursor: Cursor): number;
  /** Why `frame` cannot be sent in this framing; undefined when it can. */
  misfit(frame: Uint8Array): string | undefined;
  /** Writes what stands before a frame of `lengthBytes`; answers the index behind it. */
  head(lengthBytes: number, into: Uint8Array, at: number): number;
  /** Writes what stands behind a frame; answers the index behind it. */
  tail(into: Uint8Array, at: number): number;
}

/** Encoder and decoder of one declared framing. */
export interface FramingCodec {
  readonly framing: Framing;
  /** A decoder for one connection. */
  decoder(): Decoder;
  /** Writes `frame` with its framing to `into` from `at`; answers the index behind it. Throws RangeError when it does not fit. */
  encode(frame: Uint8Array, into: Uint8Array, at?: number): number;
}

/** The framing that `plan` declares. Throws TypeError when it is none that can work. */
export function framingOf(plan: FramingPlan): Framing {
  if (plan.lengthPrefix) return lengthPrefix(plan.lengthPrefix, plan.max);
  if (plan.delimiter !== undefined) return delimiter(plan.delimiter, plan.max);
  if (plan.netstring) return netstring(plan.max);
  if (plan.fixed !== undefined) return fixed(plan.fixed);
  if (plan.varint) return varint(plan.max);
  throw new TypeError("Cannot frame: the plan names no framing");
}

/** Encoder and decoder of the framing that `plan` declares. Throws TypeError like {@link framingOf}. */
export function codecOf(plan: FramingPlan): FramingCodec {
  const framing = framingOf(plan);
  return {
    framing,
    decoder: () => new Decoder(framing),
    encode: (frame, into, at = 0) => encode(framing, frame, into, at),
  };
}

/** Writes `frame` as `framing` wants it; answers the index behind it. Throws RangeError when `into` is too short. */
export function encode(framing: Framing, frame: Uint8Array, into: Uint8Array, at: number): number {
  if (at + frame.length + framing.overheadBytes > into.length) {
    throw new RangeError(
      `Cannot encode a frame of ${frame.length} bytes: ${into.length - at} bytes of room, needed ${
        frame.length + framing.overheadBytes
      }`,
    );
  }
  const from = framing.head(frame.length, into, at);
  copy(frame, into, from);
  return framing.tail(into, from + frame.length);
}

// Below this many bytes a loop beats the call of TypedArray.set.
const loopBytes = 48;

function copy(frame: Uint8Array, into: Uint8Array, at: number): void {
  const length = frame.length;
  if (length > loopBytes) return into.set(frame, at);
  for (let index = 0; index < length; index++) into[at + index] = frame[index];
}
