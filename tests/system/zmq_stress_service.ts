/** The service of the zmq stress run: one worker with every pattern, its handlers count and check. */
import { freePorts } from "../provision.ts";
import { WeirProcess } from "./weir_process.ts";

const handlers = new URL("./testdata/zmq_stress_handlers.ts", import.meta.url).pathname;
const range = { from: 25_000, to: 25_300 };
const answerers = 3;

/** Messages per connection that wait at the slow listener. */
export const slowHwm = 100;

/** Listeners and upstreams that the run uses. */
export type Listener = "pull" | "slow" | "router" | "rep";

/** What the service has seen of the senders to a listener. */
export interface LivesReport {
  received: number;
  /** By life: how many came, when none is missing. */
  next: Array<number | null>;
  gaps: number;
  again: number;
  /** The first that was not in order. */
  first: string;
}

/** What came of requests. */
export interface Answers {
  right: number;
  wrong: number;
  failures: Record<string, number>;
}

/** The running service. */
export class StressService implements AsyncDisposable {
  /** Of the peers that answer: for ROUTER, for REP. */
  readonly answerPorts: ReadonlyArray<readonly [number, number]>;
  /** Where the upstream `push` sends to. */
  readonly pushPort: number;
  readonly #ports: Readonly<Record<Listener | "web", number>>;
  #weir: WeirProcess | undefined;
  workerPid = 0;

  private constructor(ports: number[]) {
    const [web, pull, slow, router, rep, push, ...answer] = ports as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    this.#ports = { web, pull, slow, router, rep };
    this.pushPort = push;
    this.answerPorts = Array.from(
      { length: answerers },
      (_, at) => [answer[2 * at]!, answer[2 * at + 1]!] as const,
    );
  }

  /** At most `slowAtOnce` are served by the slow listener at once, and as many wait for their turn. */
  static async start(slowAtOnce: number): Promise<StressService> {
    const service = new StressService(freePorts(6 + 2 * answerers, range));
    await service.#start(slowAtOnce);
    return service;
  }

  async #start(slowAtOnce: number): Promise<void> {
    const { web, ...zmq } = this.#ports;
    const listener = (socket: string, port: number, handler: string, more: Record<string, unknown> = {}) => {
      const listen = `tcp://127.0.0.1:${port}`;
      return { protocol: "zmq", socket, listen, codec: "raw", handler: `${handlers}#${handler}`, ...more };
    };
    const upstream = (socket: string, ports: number[]) => ({
      protocol: "zmq",
      discover: { static: ports.map((port) => `127.0.0.1:${port}`) },
      zmq: { socket, codec: "raw" },
      pool: { wait: "5s" },
      health: { eject: false },
      timeouts: { attempt: "2s", total: "15s" },
      retry: {
        attempts: 10,
        on: ["connect", "refused", "reset", "timeout"],
        budget: "100%",
        backoff: "20ms",
      },
    });
    const manifest = {
      service: "zmq-stress",
      workers: { count: 1, drain: "2s" },
      meta: false,
      logs: { level: "error" },
      listeners: {
        web: { protocol: "http", listen: `127.0.0.1:${web}`, handler: `${handlers}#web`, deadline: "120s" },
        pull: listener("pull", zmq.pull, "pull"),
        slow: listener("pull", zmq.slow, "slow", {
          hwm: { receive: slowHwm },
          admit: { concurrency: slowAtOnce, queue: slowAtOnce, wait: "50ms" },
        }),
        router: listener("router", zmq.router, "echo"),
        rep: listener("rep", zmq.rep, "echo"),
      },
      upstreams: {
        dealer: upstream("dealer", this.answerPorts.map(([router]) => router)),
        req: upstream("req", this.answerPorts.map(([, rep]) => rep)),
        push: upstream("push", [this.pushPort]),
      },
    };
    const weir = this.#weir = await WeirProcess.start({ manifest, wait: false });
    await weir.until("it answers", () => this.lives().then(() => true, () => false), 30_000);
    this.workerPid = (await weir.workers())[0]!.pid;
  }

  endpoint(listener: Listener): string {
    return `tcp://127.0.0.1:${this.#ports[listener]}`;
  }

  lives(): Promise<Record<"pull" | "slow", LivesReport>> {
    return this.#get("/lives");
  }

  /** Asks the numbers from `from` on, `atOnce` at a time. */
  ask(upstream: "dealer" | "req", from: number, count: number, atOnce: number): Promise<Answers> {
    return this.#get(`/ask/${upstream}?from=${from}&count=${count}&atOnce=${atOnce}`);
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.web}${path}`, {
      signal: AbortSignal.timeout(120_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }

  /** Its exit code, and what it has logged. */
  async stop(): Promise<{ code: number; log: string }> {
    const weir = this.#weir!;
    return { code: await weir.stop(), log: weir.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#weir?.[Symbol.asyncDispose]();
  }
}
