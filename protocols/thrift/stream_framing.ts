/** The two transports as framings of an outbox: four bytes of length before a message, or nothing. */
import type { Framing } from "../frames/framing.ts";
import { lengthPrefix } from "../frames/length_prefix.ts";

const most = 2 ** 31 - 1;

/** Framed transport. */
export const framed: Framing = lengthPrefix({ bytes: 4, endian: "big", includesItself: false }, most);

/** Buffered transport: messages as they are. */
export const unframed: Framing = {
  name: "none",
  maxBytes: most,
  overheadBytes: 0,
  scan: () => {
    throw new TypeError("Cannot look for messages: they end where their structure ends");
  },
  misfit: () => undefined,
  head: (_length, _into, at) => at,
  tail: (_into, at) => at,
};
