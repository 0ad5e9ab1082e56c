/** A small dictionary in memory: `SET word text`, `GET word`, `DELETE word`, `COUNT`. One line in, one line out. */

/** The dictionary takes no more words than this: what a client can fill needs a bound. */
export const mostWords = 10_000;

const words = new Map<string, string>();
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Answers one command. */
export default function answer(line: Uint8Array): Uint8Array {
  return encoder.encode(reply(decoder.decode(line).trimEnd()));
}

function reply(line: string): string {
  const [, command = "", word = "", text = ""] = /^(\S+)(?: (\S+))?(?: (.*))?$/s.exec(line) ?? [];
  switch (command.toUpperCase()) {
    case "SET":
      if (word === "" || text === "") return "ERR usage: SET word text";
      if (words.size >= mostWords && !words.has(word)) return "ERR full";
      words.set(word, text);
      return "OK";
    case "GET":
      return words.get(word) ?? "NONE";
    case "DELETE":
      return words.delete(word) ? "OK" : "NONE";
    case "COUNT":
      return String(words.size);
    default:
      return "ERR commands: SET, GET, DELETE, COUNT";
  }
}
