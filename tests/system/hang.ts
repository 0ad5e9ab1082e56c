/** A handler that never returns: how soon that is known, where it stands, and who else notices. */
import { freePort } from "./free_port.ts";
import { Client } from "./http_load.ts";
import { percentile } from "../../bench/table.ts";
import { accessToFile, handlers, WeirProcess } from "./weir_process.ts";

/** What was seen; times in ms. */
export interface HangFigures {
  hangMs: number;
  /** From the request to the log line with the stack. */
  loggedMs: number;
  /** From the request until another process serves in its place. */
  replacedMs: number;
  /** Of the log line. */
  stack: string[];
  inflight: string[];
  /** p99 of requests on connections to the healthy worker: before, while the other one spins, while it is replaced. */
  beforeP99: number;
  duringP99: number;
  replacingP99: number;
  /** The same while a stranger spins on the machine and all workers are well; NaN where nobody asked for it. */
  strangerP99: number;
  answered: number;
  failed: number;
}

/** Lets one of two workers hang while `clients` clients keep asking the other one. */
export async function hang(
  options: { hangMs: number; clients: number; beforeMs: number; stranger?: boolean },
): Promise<HangFigures> {
  const { hangMs, clients, beforeMs, stranger = false } = options;
  const port = freePort();
  await using weir = await WeirProcess.start({
    manifest: {
      service: "hang",
      workers: { count: 2, hang: `${hangMs}ms`, drain: "2s" },
      meta: { listen: `127.0.0.1:${freePort()}` },
      logs: accessToFile,
      listeners: {
        api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, deadline: "60s" },
      },
    },
  });
  const [sick, healthy] = await weir.workers();
  const pinned = await clientsOf(port, String(healthy!.pid), clients);
  const load = new PinnedLoad(pinned);
  await pause(beforeMs / 2);
  load.take();
  await pause(beforeMs);
  const before = load.take();
  let strange: number[] = [];
  if (stranger) {
    const spinning = new Deno.Command("sh", { args: ["-c", "while :; do :; done"] }).spawn();
    await pause(hangMs);
    spinning.kill("SIGKILL");
    await spinning.status;
    strange = load.take();
  }
  const [victim] = await clientsOf(port, String(sick!.pid), 1);
  const begin = performance.now();
  const hung = new Client({ port, keepAlive: 1, short: 0, path: "/spin" }, true);
  // A connection to the worker that is to hang, found by asking: its next request spins.
  hung.takeOver(victim!);
  const lost = hung.ask().then(() => "answered", () => "lost");
  await pause(hangMs - 100);
  const during = load.take();
  const loggedMs = await weir.until(
    "the stack is in the log",
    () => weir.records("worker 1 hung and is replaced").length > 0 && performance.now() - begin,
    30_000,
  );
  await weir.until("another process serves in its place", async () => {
    const workers = await weir.workers();
    return workers.length === 2 && workers.every(({ pid }) => pid !== sick!.pid);
  }, 30_000);
  const replacedMs = performance.now() - begin;
  const replacing = load.take();
  const { failed } = await load.stop();
  if (await lost !== "lost") throw new Error("A request that never ends was answered");
  const [record] = weir.records("worker 1 hung and is replaced");
  if (await weir.stop() !== 0) throw new Error(`It did not stop cleanly\n${weir.text}`);
  return {
    hangMs,
    loggedMs,
    replacedMs,
    stack: record!.stack as string[],
    inflight: record!.inflight as string[],
    beforeP99: p99(before),
    duringP99: p99(during),
    replacingP99: p99(replacing),
    strangerP99: strange.length > 0 ? p99(strange) : NaN,
    answered: before.length + during.length + replacing.length,
    failed,
  };
}

/** `count` connected clients whose connections belong to the process `pid`. */
async function clientsOf(port: number, pid: string, count: number): Promise<Client[]> {
  const found: Client[] = [];
  const giveUpAt = performance.now() + 10_000;
  while (found.length < count) {
    if (performance.now() > giveUpAt) throw new Error(`Process ${pid} gets no connections`);
    const client = new Client({ port, keepAlive: 1, short: 0 }, true);
    await client.ask();
    if (client.worker === pid) found.push(client);
    else {
      client.close();
      // Where the machine stalls it may get none for a moment: who is silent is steered around.
      await pause(2);
    }
  }
  return found;
}

/** Requests every few ms on connections that are there already; measures, and repeats nothing. */
class PinnedLoad {
  failed = 0;
  #latencies: number[] = [];
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(clients: readonly Client[]) {
    this.#running = clients.map((client) => this.#run(client));
  }

  take(): number[] {
    const taken = this.#latencies;
    this.#latencies = [];
    return taken;
  }

  async stop(): Promise<{ failed: number }> {
    this.#stopped = true;
    await Promise.all(this.#running);
    return { failed: this.failed };
  }

  async #run(client: Client): Promise<void> {
    while (!this.#stopped) {
      const at = performance.now();
      try {
        await client.ask();
        this.#latencies.push(performance.now() - at);
      } catch {
        this.failed++;
        client.close();
      }
      await pause(3);
    }
    client.close();
  }
}

function p99(latencies: readonly number[]): number {
  return percentile(latencies.toSorted((a, b) => a - b), 0.99);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
