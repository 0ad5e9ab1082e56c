/**
 * One log record as a line: JSON for programs, aligned and perhaps coloured text for people. A record is one line, at
 * most {@link maxLineBytes} long, whatever its fields hold; in the human form an error's stack frames follow on
 * indented lines of their own, everything a client may have sent stays on the first.
 */
import { byteBound, cutText, escapeForPeople, quoteText } from "./escape_text.ts";
import { fieldTexts } from "./field_text.ts";
import { errorLevel, levelNames, warningLevel } from "./log_level.ts";
import type { Redaction } from "./redaction.ts";
import { timestamp } from "./timestamp.ts";

/** Longest line, newline included. */
export const maxLineBytes = 16 * 1024;

const maxMessageLength = 4096;
const maxFrames = 20;

/** What a line is made of. */
export interface LogRecord {
  readonly epochMs: number;
  readonly level: number;
  readonly logger: string;
  readonly message: string;
  readonly fields?: Record<string, unknown>;
}

/** Which process of which service a line comes from. */
export interface ProcessName {
  readonly service: string;
  readonly role: string;
  readonly id: number;
  readonly pid: number;
}

const ownNames = new Set(["ts", "level", "logger", "message", "service", "process", "pid", "truncated"]);

/** The end of every JSON line of a process: who wrote it. Starts with a comma. */
export function processJson(process: ProcessName): string {
  return `,"service":${quoteText(process.service)},"process":${quoteText(`${process.role}-${process.id}`)}` +
    `,"pid":${process.pid}`;
}

/** `record` as one line of JSON with its newline. A field named like a part of the line gets a `_` behind its name. */
export function jsonLine(record: LogRecord, redaction: Redaction, processPart: string): string {
  const message = quoteText(cutText(record.message, maxMessageLength));
  const head = `{"ts":"${timestamp(record.epochMs)}","level":"${levelNames[record.level]}","logger":` +
    `${quoteText(record.logger)},"message":${message}`;
  if (record.fields === undefined) return head + processPart + "}\n";
  const room = maxLineBytes - byteBound(head) - processPart.length - 512;
  const { entries, truncated } = fieldTexts(record.fields, redaction, room);
  let line = head;
  for (const [name, json] of entries) {
    const part = `,${quoteText(ownNames.has(name) ? name + "_" : name)}:${json}`;
    line += part;
  }
  line += processPart + (truncated ? ',"truncated":true}\n' : "}\n");
  return byteBound(line) <= maxLineBytes ? line : head + processPart + ',"truncated":true}\n';
}

const labels = ["TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL"];
const colours = ["\x1b[90m", "\x1b[90m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m"];
const dim = "\x1b[2m";
const plain = "\x1b[0m";

/** The beginning of every human line: time, level, logger. */
export function humanHead(epochMs: number, level: number, logger: string, colour: boolean): string {
  const time = timestamp(epochMs).replace("T", " ").slice(0, 23);
  const name = escapeForPeople(logger).padEnd(16);
  return colour
    ? `${dim}${time}${plain} ${colours[level]}${labels[level]}${plain} ${dim}${name}${plain} `
    : `${time} ${labels[level]} ${name} `;
}

/** `record` as text for people, with its newline. */
export function humanLine(record: LogRecord, redaction: Redaction, colour: boolean): string {
  const head = humanHead(record.epochMs, record.level, record.logger, colour);
  let line = head + escapeForPeople(cutText(record.message, maxMessageLength));
  if (record.fields === undefined) return line + "\n";
  const { entries, truncated } = fieldTexts(record.fields, redaction, maxLineBytes - byteBound(line) - 512);
  let frames = "";
  for (const [name, json] of entries) {
    const value = JSON.parse(json);
    const error = isErrorText(value, record.level) ? value : undefined;
    if (error) frames += framesOf(error);
    const text = error ? `${error.name}: ${error.message}` : value;
    line += ` ${colour ? dim : ""}${escapeForPeople(name)}=${colour ? plain : ""}${humanValue(text)}`;
  }
  if (truncated) line += " [truncated]";
  return line + "\n" + frames;
}

function humanValue(value: unknown): string {
  if (typeof value !== "string") return escapeForPeople(JSON.stringify(value));
  return /^[^\s"=]+$/.test(value) ? escapeForPeople(value) : quoteText(value);
}

interface ErrorText {
  name: string;
  message: string;
  stack: string;
  cause?: unknown;
}

function isErrorText(value: unknown, level: number): value is ErrorText {
  if (typeof value !== "object" || value === null || level < warningLevel) return false;
  const { name, message, stack } = value as ErrorText;
  return typeof name === "string" && typeof message === "string" && typeof stack === "string";
}

function framesOf(error: ErrorText, depth = 0): string {
  const shown = error.stack.split("\n").filter((text) => /^\s+at /.test(text)).slice(0, maxFrames);
  let text = shown.map((frame) => `    ${escapeForPeople(frame.trim())}\n`).join("");
  if (isErrorText(error.cause, errorLevel) && depth < 5) {
    const { name, message } = error.cause;
    text += `    caused by ${escapeForPeople(`${name}: ${message}`)}\n${framesOf(error.cause, depth + 1)}`;
  }
  return text;
}
