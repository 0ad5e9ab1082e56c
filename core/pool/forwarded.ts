/** The main thread's end of what handlers on pool threads write beside their answers: see forwarder.ts. */
import type { Log, UserStats } from "../context.ts";
import type { Fields, Forwarded } from "./thread_protocol.ts";
import { decodeError, type WireError } from "./wire_error.ts";

/** A thread may make up logger names; more than this many share the pool's own logger. */
const maxLoggers = 256;

/** Writes forwarded items to the log and the statistics of the process. */
export class ForwardedWriter {
  readonly #log: Log;
  readonly #stats: UserStats | undefined;
  readonly #loggers = new Map<string, Log>();

  constructor(log: Log, stats: UserStats | undefined) {
    this.#log = log;
    this.#stats = stats;
  }

  /** Writes one item; `onMark` gets the marks. */
  write(item: Forwarded, onMark: (call: number, text: string) => void): void {
    switch (item.k) {
      case "log":
        return this.#logger(item.path)[item.level](item.message, item.fields && revive(item.fields));
      case "mark":
        return onMark(item.call, item.text);
      case "distinct":
        return this.#stats?.distinct(item.name, item.value, item.labels);
      default:
        return this.#stats?.[item.k](item.name, item.value, item.labels);
    }
  }

  #logger(path: string): Log {
    if (path === "") return this.#log;
    let logger = this.#loggers.get(path);
    if (logger === undefined) {
      if (this.#loggers.size >= maxLoggers) return this.#log;
      logger = path.split(".").reduce((log, name) => log.child(name), this.#log);
      this.#loggers.set(path, logger);
    }
    return logger;
  }
}

function revive(fields: Fields): Fields {
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === "object" && value !== null && "$error" in value) {
      fields[key] = decodeError(value.$error as WireError);
    }
  }
  return fields;
}
