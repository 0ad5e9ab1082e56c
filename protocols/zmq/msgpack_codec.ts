/** The codec msgpack (https://msgpack.org), its timestamps as Date. */
import { decode, encode } from "@msgpack/msgpack";
import type { Codec } from "./codec.ts";

/** See the module's header. */
export const msgpack: Codec = {
  name: "msgpack",
  keepsBytes: false,
  // Binary values must not be views of memory that the next message overwrites.
  decode: (bytes) => decode(new Uint8Array(bytes)),
  encode: (value) => encode(value === undefined ? null : value, { ignoreUndefined: true }),
};
