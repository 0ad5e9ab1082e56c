/** Framed TCP: the protocol, its codecs, and the types of its handlers. */
export { frames, type FramesPlan } from "./protocol.ts";
export { codecOf, encode, type Framing, type FramingCodec, framingOf } from "./framing.ts";
export { Decoder } from "./decoder.ts";
export { FramingError } from "./framing_error.ts";
export type { FrameHandler, FrameReply } from "./handler.ts";
