/**
 * Single messages after silence, pattern by pattern: whoever has missed that something came answers with the next message,
 * or when it looks by itself, which is a second later. A tenth of them come while the whole worker is silent, the others
 * while the other patterns have theirs.
 */
import { Peer } from "../../protocols/zmq/testdata/peers.ts";
import { pause } from "./zmq_stress_peers.ts";
import type { StressService } from "./zmq_stress_service.ts";

/** Silence before each message. */
const silenceMs = 300;
/** Of each pattern; where it is more, the machine is too busy to say anything. */
const mostRepeated = 40;
/** Number of no life: the handler sends such a message back. */
const ping = 0xffff_ffff;

/** Most time until a single message is answered. */
export const wakeMs = 50;

/** One pattern: from the message to its answer, in ms; Infinity where none came or a wrong one. */
export interface Wake {
  readonly pattern: string;
  readonly latenciesMs: number[];
  /** Late ones that say nothing, because the processes waited for a core that long; each was sent again. */
  repeated: number;
}

interface Pattern extends Wake {
  /** True where the answer is the right one. */
  ask(n: number): Promise<boolean>;
}

/** Sends `count` single messages in each pattern; `pids` are the processes that take part, beside this one and its peers. */
export async function wakeUps(
  service: StressService,
  count: number,
  pids: readonly number[],
): Promise<Wake[]> {
  const peers = await Promise.all(["router", "rep", "pull", "slow"].map(() => Peer.start("python")));
  try {
    const all = [...pids, Deno.pid, ...peers.map(({ pid }) => pid)];
    const repeat = (one: Pattern, from: number, to: number) => repeatWith(one, from, to, all);
    const [router, rep, pull, slow] = peers as [Peer, Peer, Peer, Peer];
    const connect = (listener: Parameters<StressService["endpoint"]>[0], type: string) => ({
      do: "make",
      socket: "s",
      type,
      connect: [service.endpoint(listener)],
    });
    await router.do(connect("router", "dealer"));
    await rep.do(connect("rep", "req"));
    for (const [peer, listener] of [[pull, "pull"], [slow, "slow"]] as const) {
      await peer.do(connect(listener, "push"));
    }
    await pull.do({
      do: "make",
      socket: "back",
      type: "pull",
      bind: [`tcp://127.0.0.1:${service.pushPort}`],
    });
    const asked = (pattern: string, ask: Pattern["ask"]): Pattern => ({
      pattern,
      ask,
      latenciesMs: [],
      repeated: 0,
    });
    const upstream = (name: "dealer" | "req") =>
      asked(`${name} upstream`, async (n) => (await service.ask(name, n, 1, 1)).right === 1);
    const patterns = [
      asked("router listener", async (n) => {
        await router.send("s", "id", "", `${n}`);
        return (await router.receiveText("s", 2000))?.join() === `id,,${n}`;
      }),
      asked("rep listener", async (n) => {
        await rep.send("s", `${n}`);
        return (await rep.receiveText("s", 2000))?.join() === `${n}`;
      }),
      upstream("dealer"),
      upstream("req"),
    ];
    const sentBack = asked("pull listener, push upstream", (n) => comesBack(pull, pull, n));
    const sentBackSlowly = asked("slow listener, push upstream", (n) => comesBack(slow, pull, n));
    // All connections are there, and everybody has been asked once.
    for (const one of [...patterns, sentBack, sentBackSlowly]) await firstAnswer(one);
    const alone = Math.ceil(count / 10);
    for (const one of [...patterns, sentBack, sentBackSlowly]) await repeat(one, 0, alone);
    // These two share the way back, so they take turns.
    const inTurn = async () => {
      for (let n = alone; n < count; n++) {
        for (const one of [sentBack, sentBackSlowly]) await repeat(one, n, n + 1);
      }
    };
    await Promise.all([inTurn(), ...patterns.map((one) => repeat(one, alone, count))]);
    return [...patterns, sentBack, sentBackSlowly];
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

async function firstAnswer({ pattern, ask }: Pattern): Promise<void> {
  for (let n = 0; n < 20; n++) if (await ask(n).catch(() => false)) return;
  throw new Error(`No answer at all: ${pattern}`);
}

async function repeatWith(one: Pattern, from: number, to: number, pids: readonly number[]): Promise<void> {
  const { ask, latenciesMs } = one;
  for (let n = from; n < to;) {
    await pause(silenceMs);
    const waitedBefore = waitedForCoreMs(pids);
    const began = performance.now();
    const right = await ask(n);
    const tookMs = performance.now() - began;
    const excused = right && tookMs > wakeMs && tookMs - (waitedForCoreMs(pids) - waitedBefore) <= wakeMs;
    if (excused && one.repeated < mostRepeated) {
      one.repeated++;
      continue;
    }
    n++;
    latenciesMs.push(right ? tookMs : Infinity);
  }
}

/** How long the threads of these processes could have run and had no core, in ms. */
function waitedForCoreMs(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      try {
        sum += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ")[1]) / 1e6;
      } catch {
        // The thread has ended.
      }
    }
  }
  return sum;
}

async function comesBack(sender: Peer, receiver: Peer, n: number): Promise<boolean> {
  const message = new Uint8Array(8);
  const view = new DataView(message.buffer);
  view.setUint32(0, ping, true);
  view.setUint32(4, n, true);
  await sender.send("s", message);
  const parts = await receiver.receive("back", 2000);
  return parts?.length === 1 && parts[0]!.toHex() === message.toHex();
}
