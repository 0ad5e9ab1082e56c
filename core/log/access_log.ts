/**
 * The access line of every request: the one log line on the hot path. It is built by hand from cached pieces, once for
 * each form that is wanted, and handed to the sinks' queues. Refuses to sample and to wait.
 */
import type { Clock } from "../clock.ts";
import { type Reason, reasons } from "../reasons.ts";
import { AccessBytes } from "./access_bytes.ts";
import { cutText, escapeForPeople, quoteText } from "./escape_text.ts";
import { errorLevel, fatalLevel, infoLevel, levelNames, warningLevel } from "./log_level.ts";
import { humanHead } from "./log_line.ts";
import type { Redaction } from "./redaction.ts";
import type { Sink } from "./sink.ts";
import { milliseconds, timestamp } from "./timestamp.ts";

const maxRequestLength = 2048;
const maxIdLength = 128;

/** Where access lines of one level go, by the form they take. */
export interface AccessTargets {
  json: readonly Sink[];
  human: readonly Sink[];
  colour: boolean;
  syslog: ReadonlyArray<{ sink: Sink; head: (epochMs: number, level: number, logger: string) => string }>;
  /** Gets the JSON form of every line that goes anywhere. */
  recent: (line: string, level: number) => void;
}

const levelByReason: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(reasons).map(([code, row]) => [
    code,
    ["handler_error", "pool_lost", "slot_leaked"].includes(code)
      ? errorLevel
      : row.status >= 500
      ? warningLevel
      : infoLevel,
  ]),
);

/** Writes the access lines of one listener. */
export class AccessLog {
  /** False when no access line of any level goes anywhere: then nothing needs to be measured for it. */
  enabled = false;
  readonly #logger: string;
  readonly #redaction: Redaction;
  readonly #clock: Clock;
  readonly #heads: string[];
  readonly #tail: string;
  #targets: Array<AccessTargets | undefined> = [];
  /** Where routine lines go to one JSON sink and nowhere else. */
  #bytes: AccessBytes | undefined;
  #lastAddress = "";
  #addressJson = '""';

  /** `logger` is `access.<listener>`, `process` such as `worker-1`. */
  constructor(logger: string, redaction: Redaction, process: string, clock: Clock) {
    this.#clock = clock;
    this.#logger = logger;
    this.#redaction = redaction;
    this.#heads = levelNames.map((level) => `","level":"${level}","logger":${quoteText(logger)},"request":`);
    this.#tail = `,"process":${quoteText(process)}}\n`;
  }

  /** Says where lines go from now on, by level; undefined where nothing takes them. */
  route(targets: Array<AccessTargets | undefined>): void {
    this.flush();
    this.#targets = targets;
    const info = targets[infoLevel];
    const single = info && info.json.length === 1 && info.human.length === 0 && info.syslog.length === 0;
    this.#bytes = single
      ? new AccessBytes(info.json[0]!, `Z${this.#heads[infoLevel]}`, this.#tail, this.#clock)
      : undefined;
    this.enabled = targets.slice(infoLevel, fatalLevel).some((target) => target !== undefined);
  }

  /** Hands over what was gathered. */
  flush(): void {
    this.#bytes?.flush();
  }

  /**
   * One line; an empty id and a queue time of 0 are left out. `text` is the request line (`GET /users?x=1`), times are milliseconds (NaN or negative: that phase was not
   * reached), `bytes` the size of the answer's body. The line's time is the request's end.
   */
  write(
    startEpochMs: number,
    text: string,
    status: number,
    reason: Reason,
    address: string,
    id: string,
    queueMs: number,
    handlerMs: number,
    totalMs: number,
    bytes: number,
  ): void {
    if (!this.enabled) return;
    let level = levelByReason[reason] ?? infoLevel;
    if (level === infoLevel && status >= 500) level = warningLevel;
    const targets = this.#targets[level];
    if (targets === undefined) return;
    const endEpochMs = totalMs > 0 ? startEpochMs + totalMs : startEpochMs;
    if (text.length > maxRequestLength) text = cutText(text, maxRequestLength);
    if (text.includes("?")) text = this.#redaction.query(text);
    if (this.#bytes !== undefined) {
      const plain = level === infoLevel &&
        this.#bytes.write(endEpochMs, text, status, reason, address, id, queueMs, handlerMs, totalMs, bytes);
      if (plain) return;
      // What is gathered is older than this line.
      this.#bytes.flush();
    }

    if (id.length > maxIdLength) id = cutText(id, maxIdLength);
    // requests of one connection follow one another
    if (address !== this.#lastAddress) {
      this.#lastAddress = address;
      this.#addressJson = quoteText(address);
    }
    const line = '{"ts":"' + timestamp(endEpochMs) + this.#heads[level] + quoteText(text) + ',"status":' +
      status +
      ',"reason":"' + reason + '","address":' + this.#addressJson +
      (id === "" ? "" : ',"id":' + quoteText(id)) +
      (queueMs === 0 ? "" : ',"queue_ms":' + milliseconds(queueMs)) + ',"handler_ms":' +
      milliseconds(handlerMs) + ',"total_ms":' +
      milliseconds(totalMs) +
      ',"bytes":' + bytes + this.#tail;

    for (let i = 0; i < targets.json.length; i++) targets.json[i]!.push(line);
    targets.recent(line, level);
    if (targets.syslog.length > 0) {
      for (const { sink, head } of targets.syslog) sink.push(head(endEpochMs, level, this.#logger) + line);
    }
    if (targets.human.length === 0) return;
    const human = humanHead(endEpochMs, level, this.#logger, targets.colour) +
      `${escapeForPeople(text)} ${status} ${reason} ${milliseconds(totalMs)}ms (queue ${
        milliseconds(queueMs)
      }, ` +
      `handler ${milliseconds(handlerMs)}) ${bytes}B ${escapeForPeople(address)} ${escapeForPeople(id)}\n`;
    for (const sink of targets.human) sink.push(human);
  }
}
