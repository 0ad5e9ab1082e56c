/** The supervisor's own log: few lines, written through the bounded output that also carries the children's. */
import type { Log } from "../context.ts";
import type { Output } from "./output.ts";

const encoder = new TextEncoder();

/** A logger `name` writing to `output`: JSON lines, or text for people where `human`. */
export function supervisorLog(output: Output, service: string, human: boolean, name = "supervisor"): Log {
  const write = (level: "debug" | "info" | "warn" | "error") => (message: string, fields = {}) => {
    const ts = new Date().toISOString();
    const line = human
      ? `${ts.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${name}: ${message}${fieldText(fields)}`
      : JSON.stringify({
        ts,
        level,
        logger: name,
        message,
        ...fields,
        service,
        process: "supervisor",
        pid: Deno.pid,
      });
    output.write(encoder.encode(`${line}\n`));
  };
  return {
    debug: () => {},
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (part) => supervisorLog(output, service, human, `${name}.${part}`),
  };
}

function fieldText(fields: Record<string, unknown>): string {
  let text = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value === "" || value === undefined) continue;
    if (Array.isArray(value)) text += value.map((item) => `\n    ${name}: ${plain(item)}`).join("");
    else text += ` ${name}=${plain(value)}`;
  }
  return text;
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
