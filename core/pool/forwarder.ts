/**
 * The thread's end of everything that its handlers write beside their answers: log lines, statistics, marks. Collected
 * and posted to the main thread in batches, at most `maxUnread` items ahead of it; what does not fit is counted and lost,
 * because a handler that logs in a loop must not fill the memory of the process.
 */
import type { Log, UserStats } from "../context.ts";
import { type Fields, type Forwarded, type FromThread, SharedWord } from "./thread_protocol.ts";
import { encodeError } from "./wire_error.ts";

const maxUnread = 8192;
const maxBatch = 256;
const flushMs = 10;

/** Collects and posts. */
export class Forwarder {
  readonly #post: (message: FromThread) => void;
  readonly #shared: Int32Array;
  #items: Forwarded[] = [];
  #lost = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(post: (message: FromThread) => void, shared: Int32Array) {
    this.#post = post;
    this.#shared = shared;
  }

  /** Takes one item; posts it soon. */
  add(item: Forwarded): void {
    if (Atomics.add(this.#shared, SharedWord.forwarded, 1) >= maxUnread) {
      Atomics.sub(this.#shared, SharedWord.forwarded, 1);
      this.#lost++;
    } else {
      this.#items.push(item);
    }
    if (this.#items.length >= maxBatch) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), flushMs);
  }

  /** Posts what is there. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#items.length === 0 && this.#lost === 0) return;
    const message = { t: "forward" as const, items: this.#items, lost: this.#lost };
    this.#items = [];
    this.#lost = 0;
    this.#post(message);
  }

  /** A logger whose lines come out under `path` below the pool's logger. */
  log(path: string): Log {
    const line = (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: Fields) =>
      this.add({ k: "log", level, path, message: String(message), ...(fields && { fields: plain(fields) }) });
    return {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: (name) => this.log(path === "" ? name : `${path}.${name}`),
    };
  }

  /** User statistics kept by the main thread. */
  readonly stats: UserStats = {
    counter: (name, add = 1, labels) => this.add({ k: "counter", name, value: add, labels }),
    gauge: (name, value, labels) => this.add({ k: "gauge", name, value, labels }),
    timing: (name, durationMs, labels) => this.add({ k: "timing", name, value: durationMs, labels }),
    distinct: (name, value, labels) => this.add({ k: "distinct", name, value, labels }),
  };
}

/** Fields that can be posted: errors as data (marked), anything else that cannot be cloned as text. */
function plain(fields: Fields): Fields {
  const copy: Fields = {};
  for (const [key, value] of Object.entries(fields)) copy[key] = plainValue(value);
  return copy;
}

function plainValue(value: unknown): unknown {
  if (value instanceof Error) return { $error: encodeError(value) };
  if (typeof value === "function" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return value;
  try {
    return structuredClone(value);
  } catch {
    return Deno.inspect(value);
  }
}
