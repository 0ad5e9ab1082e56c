/** Handlers of the test that runs frames in the real kernel. */
import type { Context } from "../../../core/context.ts";

const text = (frame: Uint8Array) => new TextDecoder().decode(frame);
const bytes = (written: string) => new TextEncoder().encode(written);

/** Upper case; `wait` never answers, `throw` fails, `none` answers nothing. */
export default function answer(frame: Uint8Array): Uint8Array | undefined | Promise<Uint8Array> {
  const line = text(frame);
  if (line === "throw") throw new Error("as asked");
  if (line === "none") return undefined;
  if (line === "wait") return new Promise(() => {});
  return bytes(line.toUpperCase());
}

/** Counts down from the number in the frame. */
export async function* countdown(frame: Uint8Array, context: Context) {
  for (let left = Number(text(frame)); left > 0 && !context.signal.aborted; left--) yield bytes(String(left));
}
