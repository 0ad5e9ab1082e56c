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
/** Number of no life: the handler sends such a message back. */
const ping = 0xffff_ffff;

/** One pattern: from the message to its answer, in ms; Infinity where none came or a wrong one. */
export interface Wake {
  readonly pattern: string;
  readonly latenciesMs: number[];
}

interface Pattern extends Wake {
  /** True where the answer is the right one. */
  ask(n: number): Promise<boolean>;
}

/** Sends `count` single messages in each pattern. */
export async function wakeUps(service: StressService, count: number): Promise<Wake[]> {
  const peers = await Promise.all(["router", "rep", "pull", "slow"].map(() => Peer.start("python")));
  try {
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
    const asked = (pattern: string, ask: Pattern["ask"]): Pattern => ({ pattern, ask, latenciesMs: [] });
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

async function repeat({ ask, latenciesMs }: Pattern, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    await pause(silenceMs);
    const began = performance.now();
    const right = await ask(n);
    latenciesMs.push(right ? performance.now() - began : Infinity);
  }
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
