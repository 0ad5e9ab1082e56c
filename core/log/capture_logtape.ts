/**
 * Lines of libraries and handlers that log through LogTape become lines of the service: their category is the logger's
 * name, so routes and levels of the manifest hold for them. LogTape has one configuration per process. It stays the
 * application's: this only attaches where nobody has configured anything, and any `configure()` afterwards takes over.
 */
import { inspect } from "node:util";
import { levelNames } from "./log_level.ts";
import type { Logging } from "./logging.ts";

/** What LogTape hands to a sink. */
interface TapeRecord {
  category: readonly string[];
  level: string;
  message: readonly unknown[];
  properties: Record<string, unknown>;
}

/** LogTape's logger tree, shared by all its copies in a process. */
interface TapeLogger {
  sinks: Array<(record: TapeRecord) => void>;
  children: Record<string, TapeLogger | WeakRef<TapeLogger>>;
}

const rootSymbol = Symbol.for("logtape.rootLogger");

/**
 * Attaches `logging` to LogTape if it was loaded and nobody configured it. Call it after handler modules are loaded.
 * Returns what detaches it again, or undefined where there was nothing to attach to.
 */
export function captureLogTape(logging: Pick<Logging, "emit">): (() => void) | undefined {
  const root = (globalThis as Record<symbol, unknown>)[rootSymbol] as TapeLogger | undefined;
  if (root === undefined || !Array.isArray(root.sinks) || hasSinks(root)) return undefined;
  const sink = (record: TapeRecord) => {
    const level = (levelNames as readonly string[]).indexOf(record.level);
    if (level < 0) return;
    const name = record.category.map((part) => part.replace(/[^A-Za-z0-9_-]/g, "_")).join(".");
    logging.emit(name.slice(0, 128) || "logtape", level, messageOf(record), record.properties);
  };
  root.sinks.push(sink);
  return () => {
    const place = root.sinks.indexOf(sink);
    if (place >= 0) root.sinks.splice(place, 1);
  };
}

function hasSinks(logger: TapeLogger): boolean {
  if (logger.sinks.length > 0) return true;
  return Object.values(logger.children).some((child) => {
    const known = child instanceof WeakRef ? child.deref() : child;
    return known !== undefined && hasSinks(known);
  });
}

function messageOf(record: TapeRecord): string {
  return record.message.map((part) => typeof part === "string" ? part : inspect(part, { depth: 2 })).join("");
}
