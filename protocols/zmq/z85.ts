/** Z85 (ZeroMQ RFC 32): five characters for four bytes. */
const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const values = new Map([...alphabet].map((character, value) => [character, value]));

/** Throws SyntaxError, without the text in it. */
export function decodeZ85(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 5 !== 0) throw new SyntaxError("Cannot read Z85: its length is no multiple of 5");
  const bytes = new Uint8Array(text.length / 5 * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i += 5) {
    let word = 0;
    for (let k = 0; k < 5; k++) {
      const value = values.get(text[i + k]!);
      if (value === undefined) throw new SyntaxError("Cannot read Z85: a character is none of its alphabet");
      word = word * 85 + value;
    }
    if (word > 0xffffffff) throw new SyntaxError("Cannot read Z85: five characters are more than four bytes");
    view.setUint32(i / 5 * 4, word);
  }
  return bytes;
}
