/**
 * How fast one worker writes records to its spool: offered (not awaited), and sent by 128 senders who await each record;
 * JSON objects and raw bytes of 512 bytes; never synced, every second, and always. Each measurement is a process of its own
 * (this file), whose processor time counts with that of the threads that write. `deno task bench spool --rounds 5 --seconds 1`
 */
import { systemClock } from "../core/clock.ts";
import type { Log } from "../core/context.ts";
import type { Plan } from "../core/manifest/plan.ts";
import type { Streams } from "../core/stream/contract.ts";
import { openSpools } from "../core/stream/spools.ts";
import { alternate } from "./alternate.ts";
import { runToEnd } from "./program.ts";
import process from "node:process";
import type { Bench } from "./run.ts";
import { ratioTable } from "./table.ts";

const senders = 128;
const recordBytes = 512;

/** One measurement; what the program gets as its argument. */
interface Load {
  readonly codec: "json" | "raw";
  readonly sync: "never" | "always" | number;
  readonly way: "offer" | "send";
  readonly seconds: number;
}

interface Figures {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
  /** Share of offers that found no room in memory. */
  readonly refused: number;
}

export const bench: Bench = {
  about:
    `records of ${recordBytes} bytes written to a spool by one worker; send: ${senders} senders await each`,
  async run(options) {
    const loads = (["offer", "send"] as const).flatMap((way) =>
      (["json", "raw"] as const).flatMap((codec) =>
        (["never", 1000, "always"] as const).map((sync) => ({ way, codec, sync, seconds: options.seconds }))
      )
    );
    const named = loads.map((load) => ({
      name: `${load.way} ${load.codec}, sync ${load.sync === 1000 ? "1s" : load.sync}`,
      load,
    })).filter(({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)));
    const contenders = named.map(({ name, load }) => ({ name, measure: () => measure(load) }));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    const show = (title: string, unit: string, pick: (figures: Figures) => number) => {
      const samples = [...figures].map(([name, rounds]) => [name, rounds.map(pick)] as const);
      console.log(ratioTable(title, unit, new Map(samples)) + "\n");
    };
    show("written", "records/s", ({ perSecond }) => perSecond);
    show("processor time", "µs per record", ({ cpuMicroseconds }) => cpuMicroseconds);
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
  },
};

async function measure(load: Load): Promise<Figures> {
  const output = await runToEnd([
    Deno.execPath(),
    "run",
    "-A",
    "--unstable-net",
    import.meta.filename!,
    JSON.stringify(load),
  ]);
  return JSON.parse(output);
}

/** About as many bytes as JSON has in a log of decisions. */
function recordOf(codec: Load["codec"], n: number): unknown {
  if (codec === "raw") return raw;
  return {
    id: n,
    user: "user-123456789",
    rule: "rate",
    allowed: true,
    score: 0.73,
    tags: ["a", "b", "c"],
    text: filler,
  };
}

const raw = new Uint8Array(recordBytes).fill(0x61);
const filler = "x".repeat(410);

async function run(load: Load): Promise<void> {
  const directory = await Deno.makeTempDir();
  let written = 0;
  const nothing = { add() {}, set() {}, record() {} };
  const counter = (name: string) =>
    name === "weir_stream_written_total" ? { add: (n = 1) => void (written += n) } : nothing;
  const log: Log = { debug() {}, info() {}, warn: console.error, error: console.error, child: () => log };
  const stream = {
    codec: load.codec,
    spool: { directory, max: 2 ** 30, full: "dropOldest", sync: load.sync },
    limits: { record: 2 ** 20 },
  };
  const streams = openSpools({
    plan: { workers: { count: 2 }, streams: { s: stream } } as unknown as Plan,
    role: "worker",
    id: 1,
    stats: { counter, gauge: () => nothing, histogram: () => nothing },
    clock: systemClock,
    logger: () => log,
  });
  const drive = load.way === "offer" ? offerAll : sendAll;
  await drive(streams, load, 0.5);
  const [from, cpu, before] = [performance.now(), processSeconds(), written];
  const refused = await drive(streams, load, load.seconds);
  const [seconds, cpuSeconds, count] = [
    (performance.now() - from) / 1000,
    processSeconds() - cpu,
    written - before,
  ];
  await streams.close();
  await Deno.remove(directory, { recursive: true });
  console.log(
    JSON.stringify({ perSecond: count / seconds, cpuMicroseconds: cpuSeconds / count * 1e6, refused }),
  );
}

/** Offers 100 at a time, as a busy worker whose requests come in between; waits where there is no room in memory. */
async function offerAll(streams: Streams, load: Load, seconds: number): Promise<number> {
  const stream = streams.handle("s", { deadline: Infinity });
  const until = performance.now() + seconds * 1000;
  let [offers, refused] = [0, 0];
  while (performance.now() < until) {
    for (let n = 0; n < 100; n++) {
      offers++;
      if (!stream.offer(recordOf(load.codec, offers))) refused++;
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return refused / offers;
}

async function sendAll(streams: Streams, load: Load, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: senders }, async () => {
    for (let n = 0; performance.now() < until; n++) {
      await streams.handle("s", { deadline: Date.now() + 5000 }).send(recordOf(load.codec, n));
    }
  }));
  return 0;
}

/** Of all threads of this process. */
function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

if (import.meta.main) await run(JSON.parse(Deno.args[0]!));
