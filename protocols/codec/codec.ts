/**
 * How the parts of a message are encoded: json (RFC 8259, UTF-8), msgpack (with its timestamps as Date), raw (bytes as
 * they are; text is sent as UTF-8). Does no I/O.
 */
/** Names of codecs, as manifests write them. */
export type CodecName = "json" | "msgpack" | "raw";

/** See the module's header. */
export interface Codec {
  readonly name: CodecName;
  /** True where what is decoded may be a view of `bytes`: then they have to be a copy. */
  readonly keepsBytes: boolean;
  /** Throws where `bytes` are not of this encoding. */
  decode(bytes: Uint8Array<ArrayBuffer>): unknown;
  /** Throws TypeError where `value` cannot be encoded. */
  encode(value: unknown): Uint8Array;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
/** Up to this many bytes of ASCII are put together without the decoder, which costs more than they do. */
const shortText = 24;

/** The codec of that name; its library is loaded where there is one. */
export async function loadCodec(name: CodecName): Promise<Codec> {
  return codecs[name] ??= (await import("./msgpack_codec.ts")).msgpack;
}

/** The same where it needs no library, or that has been loaded. */
export function loadedCodec(name: CodecName): Codec | undefined {
  return codecs[name];
}

const codecs: Partial<Record<CodecName, Codec>> = {
  json: {
    name: "json",
    keepsBytes: false,
    decode: (bytes) => JSON.parse(textOf(bytes)),
    encode(value) {
      const text = JSON.stringify(value === undefined ? null : value);
      if (text === undefined) throw new TypeError(`Cannot encode a ${typeof value} as JSON`);
      return encoder.encode(text);
    },
  },
  raw: {
    name: "raw",
    keepsBytes: true,
    decode: (bytes) => bytes,
    encode(value) {
      if (value instanceof Uint8Array) return value;
      if (typeof value === "string") return encoder.encode(value);
      if (value === undefined || value === null) return nothing;
      throw new TypeError(`Cannot send a ${typeof value} as it is: codec raw takes a Uint8Array or text`);
    },
  },
};

const nothing = new Uint8Array(0);

/** UTF-8 as text. Throws TypeError where it is none. */
export function textOf(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > shortText) return decoder.decode(bytes);
  let text = "";
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte > 0x7f) return decoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}
