/**
 * User code's `console.*` as log lines. The runtime's own console writes synchronously: a reader that stopped reading
 * would stop the whole process. Methods that print several lines or keep state (table, group, count, time, dir) keep
 * their behaviour; each text they print is one line of the log.
 */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { formatWithOptions } from "node:util";
import type { Log } from "../context.ts";
import { cutText } from "./escape_text.ts";

const maxLength = 8192;
const shape = { depth: 4, maxArrayLength: 100, maxStringLength: 4096, breakLength: Infinity, colors: false };

const plain = { log: "info", info: "info", warn: "warn", error: "error", debug: "debug" } as const;
const others = [
  ...["assert", "count", "countReset", "dir", "dirxml", "group", "groupCollapsed", "groupEnd"],
  ...["table", "time", "timeEnd", "timeLog", "trace"],
] as const;

/** Replaces the methods of `globalThis.console` by ones that write to `log`; returns what puts them back. */
export function captureConsole(log: Log): () => void {
  const target = console as unknown as Record<string, unknown>;
  const former = new Map<string, unknown>();
  const replace = (name: string, method: unknown) => {
    former.set(name, target[name]);
    target[name] = method;
  };
  for (const [name, level] of Object.entries(plain)) {
    replace(name, (...values: unknown[]) => log[level](text(values)));
  }
  const inner = new Console({
    stdout: lineStream((line) => log.info(line)),
    stderr: lineStream((line) => log.warn(line)),
    colorMode: false,
    inspectOptions: { depth: shape.depth, maxArrayLength: shape.maxArrayLength },
  }) as unknown as Record<string, unknown>;
  for (const name of others) {
    const method = inner[name];
    if (typeof method === "function") replace(name, method.bind(inner));
  }
  return () => {
    for (const [name, method] of former) target[name] = method;
  };
}

function text(values: unknown[]): string {
  try {
    return cutText(formatWithOptions(shape, ...values), maxLength);
  } catch (error) {
    // an object whose inspection throws must not make console.log throw
    return `[cannot be shown: ${error instanceof Error ? error.name : "thrown"}]`;
  }
}

function lineStream(write: (line: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      const line = String(chunk).replace(/\n$/, "");
      if (line !== "") write(cutText(line, maxLength));
      done();
    },
  });
}
