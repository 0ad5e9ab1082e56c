/** Where one frame ends and the next begins; listeners and upstreams of protocol frames share it. */
import { z } from "zod";
import { defaulted, exactlyOne, integer, required, text } from "./terms.ts";
import { size } from "./terms_quantity.ts";

const frameMax = defaulted(
  size({ positive: true }),
  "1MiB",
  "Longest frame; a longer one closes the connection.",
);
const frameBytes = z.literal([1, 2, 4, 8], {
  error: (issue) =>
    issue.input === undefined ? "is required" : `must be 1, 2, 4 or 8, but is ${JSON.stringify(issue.input)}`,
});

/** Built where used. */
export const framing = () =>
  exactlyOne({
    lengthPrefix: required(
      z.strictObject({
        bytes: defaulted(frameBytes, 4, "Bytes of the length: 1, 2, 4 or 8."),
        endian: defaulted(z.enum(["big", "little"]), "big", "Byte order of the length."),
        includesItself: defaulted(z.boolean(), false, "Whether the length counts its own bytes."),
      }),
      "Frames that begin with their length as a fixed number of bytes.",
    ),
    delimiter: required(text(), 'Frames that end with this text, for example "\\r\\n".'),
    netstring: required(z.strictObject({}), "Frames as netstrings: `5:hello,`."),
    fixed: required(integer(1, 2 ** 30), "Frames of this many bytes."),
    varint: required(z.strictObject({}), "Frames that begin with their length as a varint."),
  }, { max: frameMax });
