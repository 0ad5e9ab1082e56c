/** UUIDs as 16 bytes and as text. */

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The text of the 16 bytes at `at`. */
export function formatUuid(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += "-";
    text += hex[bytes[at + index]!];
  }
  return text;
}

/** The 16 bytes of `text`; undefined where it is no UUID. */
export function parseUuid(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)) return undefined;
  return Uint8Array.from(text.replaceAll("-", "").match(/../g)!, (pair) => parseInt(pair, 16));
}
