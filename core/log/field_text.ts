/**
 * Fields of a log line as JSON text: bounded in depth, width, length and in total, circular or throwing values
 * included, secrets hidden on the way. Writing a line never throws and never grows beyond its bound, whatever a
 * handler hands in.
 */
import { byteBound, cutText, quoteText } from "./escape_text.ts";
import { redactedMark, type Redaction } from "./redaction.ts";

const maxDepth = 6;
const maxKeys = 64;
const maxItems = 100;
const maxTextLength = 4096;
const maxCauses = 5;

/** One field: its name as it came, its value as JSON. */
export type FieldText = readonly [name: string, json: string];

/** All of `fields` that fit into about `maxBytes`; `truncated` when some did not. */
export function fieldTexts(
  fields: Record<string, unknown>,
  redaction: Redaction,
  maxBytes: number,
): { entries: FieldText[]; truncated: boolean } {
  const writer = new FieldWriter(redaction, maxBytes);
  const entries = writer.entries(fields);
  return { entries, truncated: writer.truncated };
}

class FieldWriter {
  readonly #redaction: Redaction;
  readonly #path: string[] = [];
  readonly #above = new Set<object>();
  #leftBytes: number;
  truncated = false;

  constructor(redaction: Redaction, maxBytes: number) {
    this.#redaction = redaction;
    this.#leftBytes = maxBytes;
  }

  entries(object: object, names = ownNames(object)): FieldText[] {
    const entries: FieldText[] = [];
    for (const name of names) {
      if (entries.length === maxKeys || this.#leftBytes <= 0) {
        this.truncated = true;
        break;
      }
      const value = read(object, name);
      if (value === undefined) continue;
      entries.push([cutText(name, 128), this.#member(name, value)]);
    }
    return entries;
  }

  #member(name: string, value: unknown): string {
    this.#path.push(name);
    this.#leftBytes -= byteBound(name) + 4;
    const json = this.#redaction.hides(this.#path) ? this.#text(redactedMark) : this.#value(value);
    this.#path.pop();
    return json;
  }

  #value(value: unknown): string {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#plain(Number.isFinite(value) ? String(value) : `"${value}"`);
      case "boolean":
        return this.#plain(String(value));
      case "bigint":
        return this.#text(String(value));
      case "symbol":
        return this.#text(String(value));
      case "function":
        return this.#text(`[function ${value.name}]`);
      case "object":
        return value === null ? this.#plain("null") : this.#object(value);
      default:
        return this.#plain("null");
    }
  }

  #object(value: object): string {
    if (this.#above.has(value)) return this.#text("[circular]");
    if (this.#above.size >= maxDepth) return this.#text(Array.isArray(value) ? "[array]" : "[object]");
    this.#above.add(value);
    try {
      return this.#inside(value);
    } catch (error) {
      return this.#text(`[unreadable: ${error instanceof Error ? error.name : "thrown"}]`);
    } finally {
      this.#above.delete(value);
    }
  }

  #inside(value: object): string {
    if (value instanceof Error) return this.#error(value, 0);
    if (Array.isArray(value)) return this.#array(value);
    if (value instanceof Map || value instanceof Headers || value instanceof URLSearchParams) {
      return this.#array([...takeSome(value)]);
    }
    if (value instanceof Set) return this.#array([...takeSome(value)]);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      return this.#text(`[${value.byteLength} bytes]`);
    }
    const plain = (value as { toJSON?: unknown }).toJSON;
    if (typeof plain === "function") return this.#value(plain.call(value));
    return this.#braces(this.entries(value));
  }

  #array(items: unknown[]): string {
    const texts: string[] = [];
    for (const item of items) {
      if (texts.length === maxItems || this.#leftBytes <= 0) {
        this.truncated = true;
        break;
      }
      this.#leftBytes -= 1;
      texts.push(this.#item(item));
    }
    return `[${texts.join(",")}]`;
  }

  /** Headers and maps come as pairs: their first half is a name like any other. */
  #item(item: unknown): string {
    if (!Array.isArray(item) || item.length !== 2 || typeof item[0] !== "string") return this.#value(item);
    return `[${this.#text(item[0])},${this.#member(item[0], item[1])}]`;
  }

  #error(error: Error, causes: number): string {
    const entries: FieldText[] = [
      ["name", this.#text(String(error.name))],
      ["message", this.#text(String(error.message))],
    ];
    if (typeof error.stack === "string") entries.push(["stack", this.#text(error.stack)]);
    const known = new Set(["name", "message", "stack", "cause", "errors"]);
    entries.push(...this.entries(error, ownNames(error).filter((name) => !known.has(name))));
    if (error.cause !== undefined) {
      const deeper = error.cause instanceof Error && causes < maxCauses && !this.#above.has(error.cause);
      if (deeper) this.#above.add(error.cause as Error);
      entries.push([
        "cause",
        deeper ? this.#error(error.cause as Error, causes + 1) : this.#causeText(error.cause),
      ]);
      if (deeper) this.#above.delete(error.cause as Error);
    }
    if (error instanceof AggregateError) entries.push(["errors", this.#array(error.errors.slice(0, 10))]);
    return this.#braces(entries);
  }

  #causeText(cause: unknown): string {
    return cause instanceof Error ? this.#text("[further causes]") : this.#value(cause);
  }

  #braces(entries: FieldText[]): string {
    return `{${entries.map(([name, json]) => quoteText(name) + ":" + json).join(",")}}`;
  }

  #plain(json: string): string {
    this.#leftBytes -= json.length;
    return json;
  }

  #text(text: string): string {
    const room = Math.max(0, Math.min(maxTextLength, this.#leftBytes));
    if (text.length > room) this.truncated = true;
    let quoted = quoteText(cutText(text, room));
    let bytes = byteBound(quoted);
    if (bytes > this.#leftBytes + 64) {
      // escapes made it longer than it was: six characters for one at most, three bytes for one at most
      quoted = quoteText(cutText(text, Math.floor(room / 6)));
      bytes = byteBound(quoted);
      this.truncated = true;
    }
    this.#leftBytes -= bytes;
    return quoted;
  }
}

function ownNames(object: object): string[] {
  return Object.keys(object);
}

function read(object: object, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[name];
  } catch {
    return "[getter threw]";
  }
}

function* takeSome(values: Iterable<unknown>): Generator<unknown> {
  let taken = 0;
  for (const value of values) {
    yield value;
    if (++taken > maxItems) return;
  }
}
