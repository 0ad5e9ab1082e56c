/** Base64 (RFC 4648 section 4) of bytes. */

/** The text of `bytes`. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

/** The bytes of `text`. Throws SyntaxError where it is no Base64. */
export function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch (cause) {
    throw new SyntaxError("Cannot decode: it is no Base64", { cause });
  }
}
