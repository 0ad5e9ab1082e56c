/**
 * The logs of one process: loggers by manifest path in front, routes by name and level in the middle, bounded sinks
 * behind. Built once from the Plan's `logs`; closing it writes what is waiting. Logging never throws, never blocks and
 * never grows; what it cannot write it counts.
 */
import { hostname } from "node:os";
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import { AccessLog, type AccessTargets } from "./access_log.ts";
import { ConsoleOutput } from "./console_output.ts";
import { FileOutput } from "./file_output.ts";
import { debugLevel, errorLevel, infoLevel, warningLevel } from "./log_level.ts";
import { humanLine, jsonLine, type LogRecord, processJson, type ProcessName } from "./log_line.ts";
import { RecentFiles, RecentLines } from "./recent_lines.ts";
import { Redaction } from "./redaction.ts";
import { consoleSink, nullSink, RouteTable } from "./route_table.ts";
import { type LogCounter, type Output, Sink } from "./sink.ts";
import { type OfferLine, StreamOutput } from "./stream_output.ts";
import { SyslogHead } from "./syslog_line.ts";
import { syslogOutput, type SyslogTarget } from "./syslog_output.ts";

/** The manifest's `logs`, as the Plan holds it. */
export interface LogsPlan {
  level: string;
  format: string;
  sinks: Readonly<Record<string, LogSinkPlan>>;
  routes: ReadonlyArray<{ match: string; level: string; to: readonly string[]; only: boolean }>;
  redact: readonly string[];
}

/** One sink: a file, a syslog server or a stream. */
export interface LogSinkPlan {
  file?: string | undefined;
  rotate?: { size: number; keep: number } | undefined;
  syslog?: SyslogTarget | undefined;
  facility?: string | undefined;
  stream?: string | undefined;
}

/** Where totals are kept; a SlotWriter is one. */
export interface LogStats {
  counter(name: string, labels?: Record<string, string>, help?: string): LogCounter;
}

/** Options of {@link createLogging}. */
export interface LoggingOptions {
  process: ProcessName;
  clock: Clock;
  /** The runtime folder: the last lines are kept there for others. Without it, only in memory. */
  directory?: string;
  stats?: LogStats;
  /** Replaces standard output. */
  console?: Output;
  /** Whether standard output is a terminal; asked of it where not given. */
  terminal?: boolean;
}

/** Written and dropped lines of one sink. */
export interface SinkCounts {
  written: number;
  dropped: number;
}

const maxNameLength = 128;
const closeMs = 1000;

/** Starts logging as `plan` says. Opens nothing yet; throws RangeError for a level or facility that does not exist. */
export function createLogging(plan: LogsPlan, options: LoggingOptions): Logging {
  return new Logging(plan, options);
}

interface Target {
  sink: Sink;
  form: "json" | "human" | "syslog";
  head?: SyslogHead;
}

/** All loggers and sinks of a process. */
export class Logging {
  readonly #clock: Clock;
  readonly #table: RouteTable;
  readonly #redaction: Redaction;
  readonly #processPart: string;
  readonly #colour: boolean;
  readonly #targets = new Map<string, Target>();
  readonly #recent = new RecentLines();
  readonly #recentSink: Sink | undefined;
  readonly #access = new Map<string, AccessLog>();
  /** Of sinks that are streams, in a worker. */
  readonly #streams = new Map<string, StreamOutput>();
  readonly #options: LoggingOptions;
  #closing: Promise<void> | undefined;

  constructor(plan: LogsPlan, options: LoggingOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#table = new RouteTable(plan, options.clock);
    this.#table.onChange = () => this.#routeAccess();
    this.#redaction = new Redaction(plan.redact);
    this.#processPart = processJson(options.process);
    const terminal = options.terminal ?? Deno.stdout.isTerminal();
    const human = plan.format === "human" || (plan.format === "auto" && terminal);
    this.#colour = human && terminal && !Deno.noColor;
    const output = options.console ?? new ConsoleOutput();
    this.#add(consoleSink, output, human ? "human" : "json");
    for (const [name, sink] of Object.entries(plan.sinks)) this.#addDeclared(name, sink);
    if (options.directory !== undefined) this.#recentSink = this.#makeRecentSink(options.directory);
  }

  /** The logger of a manifest path such as `listeners.api`. */
  logger(name: string): Log {
    return new Logger(this, cleanName(name));
  }

  /** The access log of a listener; its logger is `access.<listener>`. */
  access(listener: string): AccessLog {
    const name = cleanName(`access.${listener}`);
    const known = this.#access.get(name);
    if (known) return known;
    const { role, id } = this.#options.process;
    const access = new AccessLog(name, this.#redaction, `${role}-${id}`, this.#clock);
    this.#access.set(name, access);
    access.route(this.#accessTargets(name));
    return access;
  }

  /** Writes one line of `logger` at `level` (a number of log_level.ts). Never throws. */
  emit(logger: string, level: number, message: string, fields?: Record<string, unknown>): void {
    this.emitTo(this.targets(logger)[level]!, logger, level, message, fields);
  }

  /** Grows when {@link targets} would answer differently. */
  get version(): number {
    return this.#table.version;
  }

  /** Where lines of `logger` go, by level. For loggers, which keep the answer until {@link version} grows. */
  targets(logger: string): Target[][] {
    // What streams say of themselves goes into none: a stream that fails must not feed on its own failure.
    const beside = this.#streams.size > 0 && /^streams(\.|$)/.test(logger);
    const target = (name: string) => this.#target(beside && this.#streams.has(name) ? consoleSink : name);
    return this.#table.sinksByLevel(logger).map((names) => [...new Set(names.map(target))]);
  }

  /** Like {@link emit}, with the answer of {@link targets} at hand. */
  emitTo(
    targets: readonly Target[],
    logger: string,
    level: number,
    message: string,
    fields?: Record<string, unknown>,
  ): void {
    if (targets.length === 0) return;
    try {
      const record: LogRecord = {
        epochMs: this.#clock.epoch(),
        level,
        logger,
        message: String(message),
        fields,
      };
      const json = jsonLine(record, this.#redaction, this.#processPart);
      for (const target of targets) {
        target.sink.push(target.form === "json" ? json : this.#form(target, record, json));
        // a loop that hangs right after a warning must not keep the warning
        if (level >= warningLevel) target.sink.kick();
      }
      this.#recent.add(json);
      this.#recentSink?.push(json);
      if (level >= warningLevel) this.#recentSink?.kick();
    } catch (error) {
      // fields that cannot be read at all: the line without them is better than none, or than an error in the caller
      if (fields === undefined) return;
      this.emitTo(targets, logger, level, message);
      this.emitTo(targets, "logs", errorLevel, "cannot write the fields of a line", {
        logger,
        reason: error instanceof Error ? error.name : "thrown",
      });
    }
  }

  /**
   * Sets the least level of a logger, or of all that match a glob, for `ttlMs` (0: until changed again). Throws
   * RangeError for an unknown level.
   */
  setLevel(loggerOrGlob: string, level: string, ttlMs = 0): void {
    this.#table.setLevel(loggerOrGlob, level, ttlMs);
    this.emit("logs", infoLevel, "level set", { glob: loggerOrGlob, to: level, ttlMs });
  }

  /** Opens all log files again by their names: after a rotation, on SIGUSR2. */
  reopen(): void {
    for (const { sink } of this.#targets.values()) sink.reopen();
  }

  /** Waits until all that was logged before is written, at most `deadlineMs`; false when something is still waiting. */
  async flush(deadlineMs: number): Promise<boolean> {
    for (const access of this.#access.values()) access.flush();
    const flushed = await Promise.all(this.#sinks().map((sink) => sink.flush(deadlineMs)));
    return flushed.every((done) => done);
  }

  /** Lines for streams, which have waited in their sinks' queues until now, go there from now on. */
  attachStreams(offer: OfferLine): void {
    for (const output of this.#streams.values()) output.attach(offer);
  }

  /** Hands what is waiting to the streams, at most `deadlineMs`; lines that come later go to the console. */
  async detachStreams(deadlineMs = closeMs): Promise<void> {
    if (this.#streams.size === 0) return;
    for (const access of this.#access.values()) access.flush();
    await Promise.all(this.#streamSinks().map((sink) => sink.flush(deadlineMs)));
    for (const output of this.#streams.values()) output.detach();
  }

  /** Writes what is waiting, at most `deadlineMs`, and closes all sinks. What could not be written counts as dropped. */
  close(deadlineMs = closeMs): Promise<void> {
    return this.#closing ??= this.#close(deadlineMs);
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#table.close();
    for (const access of this.#access.values()) access.flush();
    // Streams that were never opened: their lines are the console's, which closes after them.
    for (const output of this.#streams.values()) if (!output.attached) output.detach();
    await Promise.all(this.#streamSinks().map((sink) => sink.close(deadlineMs)));
    await Promise.all(this.#sinks().map((sink) => sink.close(deadlineMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Written and dropped lines by sink. */
  counts(): Record<string, SinkCounts> {
    return Object.fromEntries(
      [...this.#targets].map(([name, { sink }]) => [name, { written: sink.written, dropped: sink.dropped }]),
    );
  }

  /** The last `count` (at most 1000) lines of this process as JSON, oldest first. */
  recent(count: number): string[] {
    return this.#recent.last(count);
  }

  #sinks(): Sink[] {
    const sinks = [...this.#targets.values()].map(({ sink }) => sink);
    return this.#recentSink ? [...sinks, this.#recentSink] : sinks;
  }

  #streamSinks(): Sink[] {
    return [...this.#streams.keys()].map((name) => this.#targets.get(name)!.sink);
  }

  #target(name: string): Target {
    // streams, where this process is no worker; the manifest's own check has refused names that are not declared
    return this.#targets.get(name) ?? this.#targets.get(consoleSink)!;
  }

  #form(target: Target, record: LogRecord, json: string): string {
    if (target.form === "human") return humanLine(record, this.#redaction, this.#colour);
    return target.head!.of(record.epochMs, record.level, record.logger) + json;
  }

  #addDeclared(name: string, plan: LogSinkPlan): void {
    if (name === consoleSink || name === nullSink) return;
    const { process, clock } = this.#options;
    if (plan.file !== undefined) {
      this.#add(name, new FileOutput(plan.file, () => clock.now()), "json");
    } else if (plan.syslog !== undefined) {
      const folder = this.#options.directory ?? Deno.env.get("TMPDIR") ?? "/tmp";
      const output = syslogOutput(plan.syslog, folder, () => clock.now());
      const head = new SyslogHead(plan.facility ?? "local0", hostname(), process.service, process.pid);
      this.#add(name, output, "syslog", head);
    } else if (plan.stream !== undefined && process.role === "worker") {
      const toConsole = (piece: string, lines: number) =>
        this.#targets.get(consoleSink)!.sink.push(piece, lines);
      const output = new StreamOutput(plan.stream, toConsole);
      this.#streams.set(name, output);
      this.#add(name, output, "json");
    }
  }

  #add(name: string, output: Output, form: Target["form"], head?: SyslogHead): void {
    const { stats, clock } = this.#options;
    const sink: Sink = new Sink(name, output, {
      clock,
      written: stats?.counter("weir_log_written_total", { sink: name }, "Log lines written"),
      dropped: stats?.counter(
        "weir_log_dropped_total",
        { sink: name },
        "Log lines dropped because the sink did not keep up",
      ),
      droppedLine: (count) => this.#droppedLine({ sink, form, head }, count),
      onTrouble: (error) => this.#trouble(name, error),
      onRecovered: () => this.#emitBeside(name, infoLevel, "sink works again", { sink: name }),
    });
    this.#targets.set(name, head ? { sink, form, head } : { sink, form });
  }

  #droppedLine(
    target: Target | { sink: Sink; form: Target["form"]; head: SyslogHead | undefined },
    count: number,
  ) {
    const record: LogRecord = {
      epochMs: this.#clock.epoch(),
      level: warningLevel,
      logger: "logs",
      message: `dropped ${count} lines`,
      fields: { sink: target.sink.name, dropped: count },
    };
    const json = jsonLine(record, this.#redaction, this.#processPart);
    this.#recent.add(json);
    this.#recentSink?.push(json);
    return target.form === "json" ? json : this.#form(target as Target, record, json);
  }

  #trouble(name: string, error: unknown): void {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#emitBeside(name, errorLevel, `cannot write to the log sink "${name}"`, { sink: name, reason });
  }

  /** A line about sink `name` on all other sinks its logger goes to; on the console where there is none. */
  #emitBeside(name: string, level: number, message: string, fields: Record<string, unknown>): void {
    const routed = this.targets("logs")[level]!.filter(({ sink }) => sink.name !== name);
    const rest = routed.length > 0 || name === consoleSink ? routed : [this.#target(consoleSink)];
    this.emitTo(rest, "logs", level, message, fields);
    if (rest.length > 0) return;
    const json = jsonLine(
      { epochMs: this.#clock.epoch(), level, logger: "logs", message, fields },
      this.#redaction,
      this.#processPart,
    );
    this.#recent.add(json);
    this.#recentSink?.push(json);
  }

  #makeRecentSink(directory: string): Sink {
    const { process, clock } = this.#options;
    const files = new RecentFiles(directory, `${process.role}-${process.id}`, process.pid);
    // small on purpose: under a storm the last lines are a sample, and cost next to nothing
    return new Sink("recent", files, { clock, maxLines: 256, maxChars: 64 * 1024 });
  }

  #routeAccess(): void {
    for (const [name, access] of this.#access) access.route(this.#accessTargets(name));
  }

  #accessTargets(name: string): Array<AccessTargets | undefined> {
    return this.targets(name).map((targets) => {
      if (targets.length === 0) return undefined;
      const of = (form: Target["form"]) => targets.filter((target) => target.form === form);
      return {
        json: of("json").map(({ sink }) => sink),
        human: of("human").map(({ sink }) => sink),
        colour: this.#colour,
        syslog: of("syslog").map(({ sink, head }) => ({
          sink,
          head: (epochMs, level, logger) => head!.of(epochMs, level, logger),
        })),
        recent: (line, level) => {
          this.#recent.add(line);
          if (level >= warningLevel) this.#recentSink?.push(line);
        },
      };
    });
  }
}

/** A name in front of {@link Logging}; keeps where its lines go. */
class Logger implements Log {
  readonly #logging: Logging;
  readonly #name: string;
  #version = -1;
  #targets: Target[][] = [];

  constructor(logging: Logging, name: string) {
    this.#logging = logging;
    this.#name = name;
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#write(debugLevel, message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#write(infoLevel, message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#write(warningLevel, message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#write(errorLevel, message, fields);
  }

  child(name: string): Log {
    return new Logger(this.#logging, cleanName(`${this.#name}.${name}`));
  }

  #write(level: number, message: string, fields: Record<string, unknown> | undefined): void {
    if (this.#version !== this.#logging.version) {
      this.#version = this.#logging.version;
      this.#targets = this.#logging.targets(this.#name);
    }
    const targets = this.#targets[level]!;
    if (targets.length > 0) this.#logging.emitTo(targets, this.#name, level, message, fields);
  }
}

/** Logger names are what globs can match: letters, digits, `_`, `-`, in parts joined by dots. */
function cleanName(name: string): string {
  return name.slice(0, maxNameLength).replace(/[^A-Za-z0-9_.-]/g, "_");
}
