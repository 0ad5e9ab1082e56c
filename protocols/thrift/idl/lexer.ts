/**
 * Thrift IDL into tokens (thrift.apache.org/docs/idl). Comments are dropped; a token knows its place. Refuses to know
 * which words mean something: that is the parser's affair.
 */
import { IdlError, type IdlPlace } from "./idl_error.ts";

/** What a token is. `text` of a literal is its content, of everything else what is written. */
export interface Token extends IdlPlace {
  readonly kind: "word" | "literal" | "int" | "double" | "sign" | "end";
  readonly text: string;
}

// One alternative per kind; the order decides. Sticky, so what matches nothing is found where it stands.
const blank = /(?:[ \t\r\n\uFEFF]+|(?:\/\/|#)[^\n]*|\/\*[^]*?\*\/)+/y;
const word = /[A-Za-z_][A-Za-z0-9_.]*/y;
const number = /[+-]?(?:0[xX][0-9A-Fa-f]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)/y;
const literal = /"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'/y;
const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", "\\": "\\", '"': '"', "'": "'" };

/** All tokens of `text`, the last one of kind `end`. Throws IdlError. */
export function tokensOf(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineAt = 0;
  let at = 0;
  const place = () => ({ file, line, column: at - lineAt + 1 });
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const pass = (length: number) => {
    for (let index = at; index < at + length; index++) {
      if (text.charCodeAt(index) !== 10) continue;
      line++;
      lineAt = index + 1;
    }
    at += length;
  };
  for (;;) {
    pass(match(blank)?.[0].length ?? 0);
    if (at >= text.length) break;
    const found = match(word) ?? match(number) ?? match(literal);
    const kind = !found
      ? "sign"
      : word.lastIndex > at && found[0] === text.slice(at, word.lastIndex)
      ? "word"
      : /^["']/.test(found[0])
      ? "literal"
      : /^[+-]?(?:0[xX]|[0-9]+$)/.test(found[0])
      ? "int"
      : "double";
    if (!found && !"{}()<>[],;:=*&".includes(text[at]!)) {
      throw new IdlError(place(), `\`${text[at]}\` means nothing here`);
    }
    const written = found?.[0] ?? text[at]!;
    const content = kind === "literal" ? unescaped(found![1] ?? found![2] ?? "") : written;
    tokens.push({ kind, text: content, ...place() });
    pass(written.length);
  }
  tokens.push({ kind: "end", text: "the end of the file", ...place() });
  return tokens;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (whole, letter: string) => escapes[letter] ?? whole);
}
