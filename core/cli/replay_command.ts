/** `spool replay`: the sink that was asked for, and how it went. */
import { resolve } from "node:path";
import type { Log } from "../context.ts";
import type { StreamPlan } from "../manifest/plan.ts";
import type { OutgoingRecord, Sink, SinkInit } from "../stream/contract.ts";
import type { FoundStream } from "../stream/find_lanes.ts";
import { readDeadLetters } from "../stream/read_dead_letters.ts";
import { recordsOf, replay, type ReplayRange } from "../stream/replay_spool.ts";
import { type ExitCode, exitCodes } from "../supervisor/exit_code.ts";
import { type Given, type Terminal, UsageError } from "./command.ts";
import { reportProblems } from "./manifest_commands.ts";
import { lineOf, type SinkTable, unreadText } from "./spool_command.ts";

/** Longest time that a sink has for one batch. */
const sendMs = 60_000;
const batch = { records: 2000, bytes: 512 * 1024 };

/** What is handed over, and from where sinks come. */
export interface ReplayWork {
  readonly stream: FoundStream;
  readonly range: ReplayRange;
  readonly sinks: () => Promise<SinkTable>;
}

/** Does it; says how many records the sink has now. */
export async function replaySpool(work: ReplayWork, given: Given, terminal: Terminal): Promise<ExitCode> {
  const { stream, range } = work;
  const sink = await sinkFor(work, given, terminal);
  if (sink === undefined) return exitCodes.wrong;
  let unreadBytes = 0;
  const records = given.options.dead === true
    ? readDeadLetters(stream, range, (file, line) => terminal.err(`${file}:${line}: no dead letter`))
    : recordsOf(stream, range, (what) => {
      unreadBytes += what.bytes;
      terminal.err(unreadText(stream, what));
    });
  try {
    const { handed, stoppedAt, cause } = await replay(records, sink, batch);
    const place = stoppedAt && `${stoppedAt.lane}/${stoppedAt.sequence}`;
    // The records themselves may be on the standard output.
    if (given.options.json) {
      terminal.err(JSON.stringify({ handed, stoppedAt: place ?? null, cause, unreadBytes }));
    } else terminal.err(`${handed} records handed over${place ? `; stopped at ${place}: ${cause}` : ""}`);
    if (place && !given.options.json) terminal.err(`go on with --from ${place}`);
    return stoppedAt || unreadBytes > 0 ? exitCodes.failed : exitCodes.clean;
  } finally {
    await sink.close();
  }
}

/** The sink; undefined where the manifest is wrong, which is said. */
async function sinkFor(work: ReplayWork, { options }: Given, terminal: Terminal): Promise<Sink | undefined> {
  const { stream, sinks } = work;
  const { manifest } = options;
  const to = options.to ?? (manifest === undefined ? "stdout" : "manifest");
  if (manifest !== undefined && to !== "manifest") {
    throw new UsageError(`\`--manifest\` goes with \`--to manifest\`, not with \`--to ${to}\``);
  }
  if (to === "stdout") return lines(stream.name, terminal);
  if (typeof to === "string" && /^file:./.test(to)) {
    const plan = filePlan(resolve(to.slice("file:".length)));
    return asLines(await open(await sinks(), stream.name, plan, terminal), stream.name);
  }
  if (to !== "manifest") throw new UsageError(`\`--to\` is stdout, file:<path> or manifest, not \`${to}\``);
  if (typeof manifest !== "string") throw new UsageError("`--to manifest` needs `--manifest <file>`");
  const { compileFile } = await import("../manifest/mod.ts");
  const { plan, diagnostics } = compileFile(manifest);
  if (plan === undefined) {
    await reportProblems(diagnostics, terminal, options.json === true);
    return undefined;
  }
  const declared = plan.streams[stream.name];
  if (declared === undefined) throw new UsageError(`${manifest} declares no stream \`${stream.name}\``);
  return await open(await sinks(), stream.name, declared, terminal);
}

async function open(sinks: SinkTable, name: string, plan: StreamPlan, terminal: Terminal): Promise<Sink> {
  const kind = Object.keys(sinks).find((key) => plan[key as keyof StreamPlan] !== undefined);
  if (kind === undefined) throw new Error(`Cannot replay ${name}: nothing here writes to where it goes`);
  const makeSink = await sinks[kind]!();
  return makeSink({ name, plan, timeoutMs: sendMs, log: logTo(terminal) } satisfies SinkInit);
}

/** A stream that writes its values, which are lines of JSON, to `path`. */
function filePlan(path: string): StreamPlan {
  return {
    file: path,
    codec: "json",
    spool: { directory: "", max: 0, full: "block", sync: "never" },
    batch: { ...batch, wait: 0 },
    attempts: 1,
    limits: { record: Number.MAX_SAFE_INTEGER },
  };
}

/** A line of JSON per record on the standard output. */
function lines(stream: string, terminal: Terminal): Sink {
  return {
    send(records: readonly OutgoingRecord[]) {
      terminal.out(records.map((record) => lineOf(record, stream)).join("\n"));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** The same lines for a sink: nobody knows here how the values are encoded. */
function asLines(sink: Sink, stream: string): Sink {
  const encoder = new TextEncoder();
  return {
    send: (records) =>
      sink.send(records.map((record) => ({ ...record, value: encoder.encode(lineOf(record, stream)) }))),
    close: () => sink.close(),
  };
}

/** Warnings and errors of a sink go to stderr. */
function logTo(terminal: Terminal): Log {
  const say = (message: string) => terminal.err(message);
  const log: Log = { debug() {}, info() {}, warn: say, error: say, child: () => log };
  return log;
}
