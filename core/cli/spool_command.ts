/**
 * `spool inspect|verify|replay <folder>`: looks at a spool, whether its service runs or not, and hands its records over
 * again. Nothing here changes a spool. Where records can go is passed in, as the protocols are their own part of the program.
 */
import { join } from "node:path";
import type { MakeSink, OutgoingRecord } from "../stream/contract.ts";
import { findStreams, type FoundStream } from "../stream/find_lanes.ts";
import { inspectStream } from "../stream/inspect_spool.ts";
import { recordLine } from "../stream/record_line.ts";
import { recordsOf, type ReplayRange, type UnreadPlace } from "../stream/replay_spool.ts";
import { verifyStream } from "../stream/verify_spool.ts";
import { type ExitCode, exitCodes } from "../supervisor/exit_code.ts";
import { type Command, type Given, type Terminal, UsageError } from "./command.ts";
import { spoolText } from "./spool_text.ts";

/** Loaders of everything that takes records, by the key of a stream that names it. */
export type SinkTable = Readonly<Record<string, () => Promise<MakeSink>>>;

const verbs = ["inspect", "verify", "replay"] as const;

const text = `look into a spool, or hand its records to a sink again

<folder> is spool.directory, the folder of one stream in it, or one lane. All of it only reads, and works while the service
runs.

inspect  what there is: lanes, their writers, segments, records, what waits; with --records, the records as JSON lines
verify   reads every byte: checksums, sequences without gaps, names against contents; exit 1 when something is wrong
replay   hands records over again, those that were sent long ago among them, as far as their segments are there: to the
         standard output as JSON lines, to a file likewise, or with --manifest to the sink of that stream there. The spool
         stays as it is: what waits there is sent by the service all the same, so the receiver has records twice or more
         often (at least once). Each carries its lane and sequence, by which repeats can be told. It stops at the first
         batch that the sink does not take, with the place: give it to --from to go on.`;

/** The row for the table of commands; `sinks` is loaded for a replay alone. */
export function spoolCommand(sinks: () => Promise<SinkTable>): Command {
  return {
    name: "spool",
    words: ["<inspect|verify|replay>", "<folder>"],
    text: "look into the spool of streams, or hand its records over again",
    more: text,
    options: [
      { name: "stream", value: "name", text: "this stream alone" },
      { name: "lane", value: "name", text: "this lane alone" },
      { name: "records", value: "n", text: "inspect: the first n records, as JSON lines" },
      {
        name: "from",
        value: "sequence",
        text: "first record: 120 of every lane, or <lane>/120 and the lanes after it",
      },
      { name: "to-sequence", value: "sequence", text: "replay: last record of every lane" },
      { name: "to", value: "sink", text: "replay: stdout (unless given), file:<path> or manifest" },
      { name: "manifest", value: "file", text: "replay: manifest of the stream; means --to manifest" },
      { name: "dead", text: "replay: the records of the stream's dead letters instead" },
    ],
    async run(given, terminal) {
      const [verb, folder] = given.words as [string, string];
      if (!verbs.some((one) => one === verb)) {
        throw new UsageError(`spool has no \`${verb}\`; it is: spool ${verbs.join("|")} <folder>`);
      }
      const streams = chosen(
        findStreams(folder, given.options.dead ? undefined : textOf(given, "lane")),
        textOf(given, "stream"),
        folder,
      );
      switch (verb) {
        case "inspect":
          return inspect(streams, given, terminal);
        case "verify":
          return verify(streams, given, terminal);
      }
      const { replaySpool } = await import("./replay_command.ts");
      return await replaySpool({ stream: onlyOne(streams), range: rangeOf(given), sinks }, given, terminal);
    },
  };
}

function chosen(streams: FoundStream[], name: string | undefined, folder: string): FoundStream[] {
  if (name === undefined) return streams;
  const found = streams.filter((stream) => stream.name === name);
  if (found.length > 0) return found;
  throw new UsageError(
    `${folder} has no stream \`${name}\`; it has ${streams.map((one) => one.name).join(", ")}`,
  );
}

function onlyOne(streams: readonly FoundStream[]): FoundStream {
  if (streams.length === 1) return streams[0]!;
  throw new UsageError(`name one stream: --stream ${streams.map(({ name }) => name).join("|")}`);
}

function inspect(streams: readonly FoundStream[], given: Given, terminal: Terminal): ExitCode {
  const wanted = textOf(given, "records");
  if (wanted !== undefined) return printRecords(streams, whole("records", wanted), rangeOf(given), terminal);
  const reports = streams.map(inspectStream);
  terminal.out(given.options.json ? JSON.stringify(reports, null, 2) : reports.map(spoolText).join("\n\n"));
  return exitCodes.clean;
}

function printRecords(
  streams: readonly FoundStream[],
  count: number,
  range: ReplayRange,
  terminal: Terminal,
): ExitCode {
  let left = count;
  for (const stream of streams) {
    if (left <= 0) break;
    for (const record of recordsOf(stream, range, (what) => terminal.err(unreadText(stream, what)))) {
      terminal.out(lineOf(record, stream.name));
      if (--left <= 0) break;
    }
  }
  return exitCodes.clean;
}

/** A record with its place, as a line of JSON. */
export function lineOf(record: OutgoingRecord, stream: string): string {
  return recordLine(record, { stream, lane: record.lane });
}

/** What cannot be read, for stderr. */
export function unreadText(stream: FoundStream, { file, lane, offset, bytes, cause }: UnreadPlace): string {
  return `${join(stream.folder, lane, file)}:${offset}: ${cause}; ${bytes} bytes are left out`;
}

function verify(streams: readonly FoundStream[], given: Given, terminal: Terminal): ExitCode {
  const found = streams.map((stream) => ({ stream: stream.name, ...verifyStream(stream) }));
  const problems = found.flatMap((one) => one.problems);
  const isWell = problems.every(({ note }) => note);
  if (given.options.json) terminal.out(JSON.stringify({ ok: isWell, streams: found }, null, 2));
  else {
    for (const { file, offset, cause, note } of problems) {
      terminal.err(`${file}:${offset}: ${note ? "note: " : ""}${cause}`);
    }
    for (const { stream, segments, records, bytes } of found) {
      terminal.out(`${stream}: ${records} records in ${segments} segments, ${bytes} bytes`);
    }
    terminal.out(isWell ? "no problems" : `${problems.filter(({ note }) => !note).length} problems`);
  }
  return isWell ? exitCodes.clean : exitCodes.failed;
}

/** `--from` and `--to-sequence`. */
function rangeOf(given: Given): ReplayRange {
  const from = textOf(given, "from") ?? "0";
  const slash = from.lastIndexOf("/");
  const to = textOf(given, "to-sequence");
  return {
    lane: textOf(given, "lane"),
    fromLane: slash < 0 ? undefined : from.slice(0, slash),
    from: whole("from", from.slice(slash + 1)),
    to: to === undefined ? Infinity : whole("to-sequence", to),
  };
}

function textOf({ options }: Given, name: string): string | undefined {
  const option = options[name];
  return typeof option === "string" ? option : undefined;
}

function whole(option: string, written: string): number {
  if (/^[0-9]{1,15}$/.test(written)) return Number(written);
  throw new UsageError(`\`--${option}\` takes a number, not \`${written}\``);
}
