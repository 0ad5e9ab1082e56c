/** Peers of the zmq stress run: processes of Python that are killed at random and started again. Ends only its own. */
import { pythonWithZmq } from "../../protocols/zmq/testdata/peers.ts";

const script = new URL("./testdata/zmq_stress_peer.py", import.meta.url).pathname;
let python: Promise<string> | undefined;

/** Between two restarts, in ms. */
export interface Rhythm {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One life of a peer. */
export class StressPeer {
  readonly #child: Deno.ChildProcess;
  readonly #status: Promise<Deno.CommandStatus>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #over: Deno.CommandStatus | undefined;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#status = child.status.then((status) => this.#over = status);
  }

  /** Resolves when it is at work. */
  static async start(...args: string[]): Promise<StressPeer> {
    const child = new Deno.Command(await (python ??= pythonWithZmq()), {
      args: [script, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const peer = new StressPeer(child);
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    peer.#reader = reader;
    if (done) throw new Error(`A peer ended at once: ${args.join(" ")}`);
    return peer;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Rejects where it has failed by itself. Idempotent. */
  async kill(): Promise<void> {
    if (this.#over === undefined) this.#child.kill("SIGKILL");
    const { success, code, signal } = await this.#status;
    await this.#reader?.cancel();
    if (!success && signal !== "SIGKILL") throw new Error(`A peer ended by itself, with ${signal ?? code}`);
  }

  /** Lets it send what it has; rejects where that takes more than `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), limitMs);
    const { success, code, signal } = await this.#status;
    clearTimeout(timer);
    await this.#reader?.cancel();
    if (!success) {
      throw new Error(`A sender ended with ${signal ?? code}, ${limitMs} ms after it was told to`);
    }
  }
}

/** A sender that lives again and again; each life has a number, and a file that says how many messages it has sent. */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #folder: string;
  /** Numbers of its lives; the last one is not killed. */
  readonly lives: number[] = [];
  #peer: StressPeer | undefined;

  constructor(folder: string, options: PusherOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Begins a life; the one before is killed. */
  async begin(): Promise<void> {
    const { endpoint, size, hwm } = this.#options;
    await this.#peer?.kill();
    const life = this.#options.nextLife();
    this.lives.push(life);
    await Deno.writeFile(this.#file(life), new Uint8Array(8));
    this.#peer = await StressPeer.start("push", endpoint, `${life}`, this.#file(life), `${size}`, `${hwm}`);
  }

  /** The last life ends well. */
  async finish(limitMs: number): Promise<void> {
    await this.#peer!.finish(limitMs);
  }

  async kill(): Promise<void> {
    await this.#peer?.kill();
  }

  /** At most how many messages a life has sent; exact where it has finished. */
  sent(life: number): number {
    return Number(new BigUint64Array(Deno.readFileSync(this.#file(life)).buffer)[0]!);
  }

  #file(life: number): string {
    return `${this.#folder}/life-${life}`;
  }
}

/** What a {@link Pusher} sends, and where. */
export interface PusherOptions {
  readonly endpoint: string;
  /** Bytes of a message, at least 8. */
  readonly size: number;
  readonly hwm: number;
  readonly nextLife: () => number;
}

/** Peers that answer, each at a port for ROUTER and one for REP; at least one is there at any time. */
export class Answerers {
  readonly #ports: ReadonlyArray<readonly [number, number]>;
  readonly #peers: Array<StressPeer | undefined> = [];
  restarts = 0;

  constructor(ports: ReadonlyArray<readonly [number, number]>) {
    this.#ports = ports;
  }

  async start(): Promise<void> {
    await Promise.all(this.#ports.map((_, at) => this.#begin(at)));
  }

  /** Kills and restarts them at random, two at a time now and then, until `going` says no. */
  async churn(rhythm: Rhythm, going: () => boolean): Promise<void> {
    const away = new Set<Promise<void>>();
    while (going()) {
      await pause(between(rhythm));
      const up = this.#peers.flatMap((peer, at) => peer ? [at] : []);
      if (up.length < 2) continue;
      const at = up[Math.floor(Math.random() * up.length)]!;
      const peer = this.#peers[at]!;
      this.#peers[at] = undefined;
      await peer.kill();
      const back: Promise<void> = pause(Math.random() * rhythm.toMs).then(() => this.#begin(at)).finally(
        () => {
          this.restarts++;
          away.delete(back);
        },
      );
      away.add(back);
    }
    await Promise.all(away);
  }

  get pids(): number[] {
    return this.#peers.flatMap((peer) => peer ? [peer.pid] : []);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer?.kill()));
  }

  async #begin(at: number): Promise<void> {
    const [router, rep] = this.#ports[at]!;
    this.#peers[at] = await StressPeer.start("answer", `tcp://127.0.0.1:${router}`, `tcp://127.0.0.1:${rep}`);
  }
}

export function between({ fromMs, toMs }: Rhythm): number {
  return fromMs + Math.random() * (toMs - fromMs);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
