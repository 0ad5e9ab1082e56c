/**
 * Very many messages through the zmq listeners and upstreams of one worker while their peers, pyzmq on libzmq of the
 * distribution, are killed and started again at random; and what has to hold meanwhile: order, no loss beyond a killed
 * sender's tail, one right answer for each request, senders held back by a slow handler, no lost wake-up afterwards.
 */
import { median } from "../../bench/table.ts";
import { Answerers, between, pause, Pusher, type Rhythm } from "./zmq_stress_peers.ts";
import { type Answers, slowHwm, StressService } from "./zmq_stress_service.ts";
import { type Wake, wakeUps } from "./zmq_stress_wake.ts";

/** How much, and how. */
export interface StressOptions {
  /** Messages and requests over all, at least. */
  readonly count: number;
  /** Restarts of each kind of peer, at least. */
  readonly restarts: number;
  readonly rhythm: Rhythm;
  /** How long the slow listener is looked at, and how often. */
  readonly slowSeconds: number;
  /** Messages it serves at once, each for a ms. */
  readonly slowAtOnce: number;
  readonly samples: number;
  /** Single messages for each pattern. */
  readonly singles: number;
  readonly onProgress?: (text: string) => void;
}

/** What the senders to a listener came to. */
export interface PushFigures {
  readonly seconds: number;
  readonly received: number;
  /** Senders that were killed and followed by another. */
  readonly restarts: number;
  readonly gaps: number;
  readonly again: number;
  readonly first: string;
  /** Sent and not received, at most: by killed senders, and by those that ended well. */
  readonly lostByKilled: number;
  readonly lost: number;
  /** Lives of which more came than was sent. */
  readonly tooMany: number;
}

/** What came of the requests to an upstream. */
export interface AskFigures extends Answers {
  readonly seconds: number;
  readonly asked: number;
  readonly restarts: number;
}

/** What the slow listener came to, beside {@link PushFigures}. */
export interface SlowFigures extends PushFigures {
  /** Most messages of the sender that was not killed that were sent and not served, and how many there can be room for. */
  readonly outstanding: number;
  readonly room: number;
  /** Resident bytes of the worker: medians of the thirds of the time. */
  readonly rss: readonly [number, number, number];
}

/** What was seen. */
export interface StressFigures {
  readonly push: PushFigures;
  readonly ask: Readonly<Record<"dealer" | "req", AskFigures>>;
  readonly slow: SlowFigures;
  readonly wake: readonly Wake[];
  readonly total: number;
  readonly exitCode: number;
  readonly log: string;
}

/** Shares of the count; the slow listener's come on top. */
const shares = { push: 0.945, dealer: 0.05, req: 0.005 };
const pushers = 2;
/** Requests at once, and in one question to the service. */
const asking = { dealer: { atOnce: 128, batch: 4000 }, req: { atOnce: 12, batch: 1000 } } as const;
/** How long what is on its way may take. */
const settleMs = 30_000;
const slowBytes = 1024;

/** Runs it to the end. */
export async function stress(options: StressOptions): Promise<StressFigures> {
  const { onProgress = () => {} } = options;
  const folder = await Deno.makeTempDir({ prefix: "weir-zmq-stress-" });
  await using service = await StressService.start(options.slowAtOnce);
  const answerers = new Answerers(service.answerPorts);
  try {
    onProgress("PUSH to a pull listener");
    const push = await pushMany(service, folder, options);
    onProgress("requests to ROUTER and REP peers");
    await answerers.start();
    const ask = await askMany(service, answerers, options);
    onProgress("PUSH to a slow pull listener");
    const slow = await pushSlowly(service, folder, options);
    onProgress("single messages");
    const wake = await wakeUps(service, options.singles, [service.workerPid, ...answerers.pids]);
    const { code, log } = await service.stop();
    const total = push.received + slow.received + ask.dealer.asked + ask.req.asked +
      wake.reduce((sum, { latenciesMs }) => sum + latenciesMs.length, 0);
    return { push, ask, slow, wake, total, exitCode: code, log };
  } finally {
    await answerers.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

// ------------------------------------------------------------------------------------------ senders

async function pushMany(
  service: StressService,
  folder: string,
  options: StressOptions,
): Promise<PushFigures> {
  const goal = options.count * shares.push;
  let lives = 0;
  const senders = Array.from(
    { length: pushers },
    () =>
      new Pusher(folder, { endpoint: service.endpoint("pull"), size: 8, hwm: 1000, nextLife: () => lives++ }),
  );
  const began = performance.now();
  try {
    await Promise.all(senders.map((sender) => sender.begin()));
    let going = true;
    const churns = senders.map((sender) => restartAtRandom(sender, options.rhythm, () => going));
    while ((await service.lives()).pull.received < goal || restartsOf(senders) < options.restarts) {
      await pause(100);
    }
    going = false;
    await Promise.all(churns);
    await Promise.all(senders.map((sender) => sender.finish(settleMs)));
    await settled(service, "pull");
    return await pushFigures(service, "pull", senders, began);
  } finally {
    await Promise.all(senders.map((sender) => sender.kill()));
  }
}

async function restartAtRandom(sender: Pusher, rhythm: Rhythm, going: () => boolean): Promise<void> {
  for (;;) {
    await pause(between(rhythm));
    if (!going()) return;
    await sender.begin();
  }
}

function restartsOf(senders: readonly Pusher[]): number {
  return senders.reduce((sum, { lives }) => sum + lives.length - 1, 0);
}

/** Resolves when nothing more comes. */
async function settled(service: StressService, listener: "pull" | "slow"): Promise<void> {
  const end = performance.now() + settleMs;
  for (let before = -1, quiet = 0; quiet < 5 && performance.now() < end;) {
    const { received } = (await service.lives())[listener];
    quiet = received === before ? quiet + 1 : 0;
    before = received;
    await pause(50);
  }
}

async function pushFigures(
  service: StressService,
  listener: "pull" | "slow",
  senders: readonly Pusher[],
  began: number,
): Promise<PushFigures> {
  const { received, next, gaps, again, first } = (await service.lives())[listener];
  const missing = (sender: Pusher, life: number) => sender.sent(life) - (next[life] ?? 0);
  const killed = senders.flatMap((sender) => sender.lives.slice(0, -1).map((life) => missing(sender, life)));
  const ended = senders.map((sender) => missing(sender, sender.lives.at(-1)!));
  const sum = (values: number[]) => values.reduce((all, value) => all + Math.max(0, value), 0);
  return {
    seconds: (performance.now() - began) / 1000,
    received,
    restarts: restartsOf(senders),
    gaps,
    again,
    first,
    lostByKilled: sum(killed),
    lost: sum(ended),
    tooMany: [...killed, ...ended].filter((value) => value < 0).length,
  };
}

// ------------------------------------------------------------------------------------------ requests

async function askMany(
  service: StressService,
  answerers: Answerers,
  options: StressOptions,
): Promise<Record<"dealer" | "req", AskFigures>> {
  const began = performance.now();
  let open = 2;
  const run = async (upstream: "dealer" | "req"): Promise<AskFigures> => {
    const goal = options.count * shares[upstream];
    const all: Answers = { right: 0, wrong: 0, failures: {} };
    const { atOnce, batch } = asking[upstream];
    let asked = 0;
    while (asked < goal || answerers.restarts < options.restarts) {
      const { right, wrong, failures } = await service.ask(upstream, asked, batch, atOnce);
      asked += batch;
      all.right += right;
      all.wrong += wrong;
      for (const [text, count] of Object.entries(failures)) {
        all.failures[text] = (all.failures[text] ?? 0) + count;
      }
    }
    open--;
    return { ...all, asked, restarts: answerers.restarts, seconds: (performance.now() - began) / 1000 };
  };
  const churn = answerers.churn(options.rhythm, () => open > 0);
  const [dealer, req] = await Promise.all([run("dealer"), run("req")]);
  await churn;
  return { dealer, req };
}

// ------------------------------------------------------------------------------------------ a slow listener

/** Two senders that could send far more: one is restarted at random, at the other it is seen how far they get. */
async function pushSlowly(
  service: StressService,
  folder: string,
  options: StressOptions,
): Promise<SlowFigures> {
  const { slowSeconds, samples, rhythm } = options;
  let lives = 0;
  const nextLife = () => lives++;
  await Deno.mkdir(`${folder}/slow`);
  const told = { endpoint: service.endpoint("slow"), size: slowBytes, hwm: slowHwm, nextLife };
  const senders = [new Pusher(`${folder}/slow`, told), new Pusher(`${folder}/slow`, told)] as const;
  const [steady, other] = senders;
  const began = performance.now();
  try {
    await Promise.all(senders.map((sender) => sender.begin()));
    let going = true;
    const churn = restartAtRandom(other, rhythm, () => going);
    const rss: number[] = [];
    let outstanding = 0;
    for (let n = 1; n <= samples; n++) {
      await pause(began + n * slowSeconds * 1000 / samples - performance.now());
      rss.push(residentBytes(service.workerPid));
      const life = steady.lives[0]!;
      // First what was sent: what is served meanwhile makes it less, not more.
      const sent = steady.sent(life);
      outstanding = Math.max(outstanding, sent - ((await service.lives()).slow.next[life] ?? 0));
    }
    going = false;
    await churn;
    await Promise.all(senders.map((sender) => sender.finish(settleMs)));
    await settled(service, "slow");
    const third = Math.floor(samples / 3);
    return {
      ...await pushFigures(service, "slow", senders, began),
      outstanding,
      room: await room(options.slowAtOnce),
      rss: [median(rss.slice(0, third)), median(rss.slice(third, 2 * third)), median(rss.slice(2 * third))],
    };
  } finally {
    await Promise.all(senders.map((sender) => sender.kill()));
  }
}

/** Messages that fit into both queues and both buffers of a connection, with those that are served and about to be sent. */
async function room(atOnce: number): Promise<number> {
  const most = Number((await Deno.readTextFile("/proc/sys/net/ipv4/tcp_rmem")).trim().split(/\s+/)[2]);
  const sendBuffer = 2 * 65_536;
  return 2 * slowHwm + Math.ceil((most + sendBuffer) / slowBytes) + 2 * atOnce + 100;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1024;
}
