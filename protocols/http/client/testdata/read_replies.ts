/** Drives a parser over bytes in given pieces, and reads the pairs of bytes and outcome. */
import { ReplyError } from "../reply_error.ts";
import { Part, ResponseParser } from "../response_parser.ts";

export interface Reply {
  status: number;
  headers: string[];
  body: string | null;
  last?: boolean;
}

/** What became of a piece of wire: a reply, an error, or neither before the end. */
export type Outcome = Reply | { error: string } | { cut: true };

export interface Pair {
  name: string;
  method: string;
  upgrade: boolean;
  /** The connection ends behind the bytes. */
  closed: boolean;
  bytes: Uint8Array<ArrayBuffer>;
  expected: Outcome;
}

const folder = new URL("replies/", import.meta.url);

/** All pairs of the folder. */
export function readPairs(): Pair[] {
  const pairs: Pair[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    const text = Deno.readTextFileSync(new URL(name, folder));
    const first = text.indexOf("\n"), mark = text.indexOf("\n=>\n");
    const [method, ...how] = text.slice(0, first).split(" ");
    pairs.push({
      name: name.slice(0, -4),
      method: method === "upgrade" ? "GET" : method!,
      upgrade: method === "upgrade",
      closed: how.length > 0,
      bytes: unescape(text.slice(first + 1, Math.max(first + 1, mark))),
      expected: JSON.parse(text.slice(mark + 4)),
    });
  }
  return pairs;
}

/** `\r`, `\n`, `\t` and `\xHH` stand for bytes; line ends of the file for nothing. */
function unescape(text: string): Uint8Array<ArrayBuffer> {
  const plain = text.replaceAll("\n", "").replace(
    /\\(?:x([0-9a-f]{2})|(.))/g,
    (_, hex, letter) => hex ? String.fromCharCode(parseInt(hex, 16)) : { r: "\r", n: "\n", t: "\t" }[letter as "r"]!,
  );
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** What `parser` makes of `bytes`, given in pieces that end at `cuts`. `rest` bytes may stand behind the reply. */
export function parse(
  pair: Pick<Pair, "method" | "upgrade" | "closed" | "bytes">,
  cuts: number[] = [],
  parser = new ResponseParser(65_536),
): { outcome: Outcome; rest: number } {
  parser.expect(pair.method, pair.upgrade);
  const ends = [...cuts.filter((at) => at > 0 && at < pair.bytes.length).sort((a, b) => a - b), pair.bytes.length];
  let reply: Reply | undefined;
  let pending = new Uint8Array(0);
  let start = 0;
  try {
    for (const end of ends) {
      const piece = pair.bytes.slice(start, end);
      start = end;
      const bytes = new Uint8Array(pending.length + piece.length);
      bytes.set(pending);
      bytes.set(piece, pending.length);
      let from = 0;
      for (let part = parser.next(bytes, from, bytes.length); part !== Part.more;) {
        from = parser.at;
        if (part === Part.head) {
          reply = { status: parser.status, headers: parser.headers, body: parser.framing === 0 ? null : "" };
          if (parser.last) reply.last = true;
        } else if (part === Part.data) reply!.body += latin1(bytes.subarray(parser.dataFrom, parser.dataTo));
        else if (part === Part.end) return { outcome: reply!, rest: bytes.length - from + pair.bytes.length - end };
        part = parser.next(bytes, from, bytes.length);
      }
      pending = bytes.slice(parser.at);
    }
    if (pair.closed && parser.end(pending, 0, pending.length)) return { outcome: reply!, rest: 0 };
    return { outcome: { cut: true }, rest: 0 };
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    return { outcome: { error: error.message }, rest: 0 };
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
