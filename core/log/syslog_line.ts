/**
 * The head of an RFC 5424 message: priority, time, host, service, process, logger. The message itself is the JSON line.
 */
import { timestamp } from "./timestamp.ts";

const facilities = [
  ..."kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock".split(" "),
  ...Array.from({ length: 8 }, (_, n) => `local${n}`),
];

// by level: trace, debug, info, warning, error, fatal
const severities = [7, 7, 6, 4, 3, 2];

/** Makes the heads of one process's messages. Throws RangeError for an unknown facility. */
export class SyslogHead {
  readonly #facility: number;
  readonly #middle: string;

  constructor(facility: string, hostname: string, service: string, pid: number) {
    this.#facility = facilities.indexOf(facility);
    if (this.#facility < 0) throw new RangeError(`Cannot use the syslog facility "${facility}": unknown`);
    this.#middle = ` ${word(hostname, 255)} ${word(service, 48)} ${pid} `;
  }

  /** Everything before the message, its blank included. */
  of(epochMs: number, level: number, logger: string): string {
    const priority = this.#facility * 8 + severities[level]!;
    return `<${priority}>1 ${timestamp(epochMs)}${this.#middle}${word(logger, 32)} - `;
  }
}

/** Printable ASCII without blanks, as every field of the head has to be. */
function word(text: string, maxLength: number): string {
  return text.replace(/[^\x21-\x7e]/g, "_").slice(0, maxLength) || "-";
}
