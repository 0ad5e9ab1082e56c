/** The last lines of the log, and the level of loggers while the service runs. */

import { parseQuantity } from "../../core/manifest/unit.ts";
import { cell, type Tone } from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import { limitOf } from "../limit_of.ts";
import { commandAnswer } from "./commands.ts";

const levels = ["debug", "info", "warn", "error"] as const;
const tones: Readonly<Record<string, Tone>> = {
  debug: "quiet",
  warn: "warn",
  warning: "warn",
  error: "bad",
  fatal: "bad",
};

export const logs = {
  method: "GET",
  path: "/logs",
  title: "Logs",
  summary: "The last lines; filter by logger (a glob), lowest level, or text.",
  tier: "read",
  nav: true,
  example: "?level=warn&limit=50",
  async render(sight, { query }) {
    const limit = limitOf(query, 200);
    if (limit === null) return complaint(400, "Logs", "`limit` must be a whole number from 1 to 10000.");
    const level = query.get("level") ?? "";
    if (level !== "" && !levels.some((known) => known === level)) {
      return complaint(400, "Logs", `\`level\` must be one of ${levels.join(", ")}.`);
    }
    const logger = query.get("logger") ?? "";
    const text = query.get("text") ?? "";
    const { lines, note } = await sight.logs({ logger, level, text, limit });
    return {
      title: "Logs",
      sections: [
        {
          kind: "actions",
          key: "filter",
          title: "",
          actions: [{
            method: "get",
            path: "/logs",
            label: "Filter",
            fields: [
              { name: "logger", label: "Logger", value: logger },
              { name: "level", label: "From level", value: level, options: ["", ...levels] },
              { name: "text", label: "Contains", value: text },
              { name: "limit", label: "Limit", value: String(limit) },
            ],
          }],
        },
        {
          kind: "table",
          key: "lines",
          title: "Last lines, newest last",
          note,
          columns: [
            { key: "at", label: "When", as: "time" },
            { key: "level", label: "Level" },
            { key: "logger", label: "Logger", as: "code" },
            { key: "message", label: "Message" },
            { key: "fields", label: "Fields", as: "code" },
          ],
          rows: lines.map((line) => [
            line.at,
            cell(line.level, "text", { tone: tones[line.level] }),
            line.logger,
            line.message,
            fieldText(line.fields),
          ]),
          empty: "No line matches.",
        },
        {
          kind: "actions",
          key: "actions",
          title: "Change",
          actions: [
            {
              method: "post",
              path: "/logs/level",
              label: "Set level",
              fields: [
                { name: "logger", label: "Logger", value: logger || "**" },
                { name: "level", label: "Level", value: "debug", options: levels },
                { name: "ttl", label: "For", value: "10m" },
              ],
            },
            { method: "post", path: "/logs/reopen", label: "Reopen files", fields: [] },
          ],
        },
      ],
    };
  },
} satisfies Endpoint;

function fieldText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields).map(([name, value]) =>
    `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  ).join(" ");
}

export const logLevel = {
  method: "POST",
  path: "/logs/level",
  title: "Set a log level",
  summary:
    "Level of the loggers that a glob names, in all processes; `ttl` (10m; 0 = for good) sets it back.",
  tier: "write",
  example: "?logger=listeners.**&level=debug&ttl=10m",
  render(sight, { query }) {
    const logger = query.get("logger") ?? "";
    const level = query.get("level") ?? "";
    const wrong = (text: string) => complaint(400, "Set a log level", text);
    if (!/^[A-Za-z0-9_.*-]{1,200}$/.test(logger)) {
      return wrong("`logger` must be a logger's name or a glob of names.");
    }
    if (!levels.some((known) => known === level)) {
      return wrong(`\`level\` must be one of ${levels.join(", ")}.`);
    }
    let ttlMs: number;
    try {
      ttlMs = parseQuantity("duration", query.get("ttl") || "10m");
    } catch {
      return wrong("`ttl` must be a duration such as `10m`, or 0.");
    }
    return commandAnswer(sight, "Set a log level", { type: "logLevel", logger, level, ttlMs });
  },
} satisfies Endpoint;

export const logReopen = {
  method: "POST",
  path: "/logs/reopen",
  title: "Reopen log files",
  summary: "All processes close and open their log files, after somebody moved them.",
  tier: "write",
  render: (sight) => commandAnswer(sight, "Reopen log files", { type: "reopenLogs" }),
} satisfies Endpoint;
