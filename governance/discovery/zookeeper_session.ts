/**
 * One session with one ZooKeeper server, for reading and watching. It owns nothing on the server, so it is never resumed:
 * when the connection or the session ends, everything ends with an error, and whoever needs it opens a new one and reads
 * again. A server that is silent for two thirds of the session's time counts as gone.
 */
import type { Clock } from "../../core/clock.ts";
import { connectTcp } from "../../core/connect_tcp.ts";
import {
  authPacket,
  connectPacket,
  errorText,
  noNode,
  Op,
  PacketReader,
  readConnected,
  requestPacket,
  WireReader,
  Xid,
} from "./zookeeper_wire.ts";

/** ZooKeeper's own limit is 1 MiB; lists of children may be longer on servers that allow it. */
const mostBytes = 16 * 1024 * 1024;
/** Requests that wait for their reply. */
const mostPending = 128;
/** What a watch saw; ZooKeeper's numbers. */
export const EventType = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const;

/** How to reach a server. */
export interface ZookeeperOptions {
  hostname: string;
  port: number;
  /** `user:password` of the digest scheme. */
  auth: string | null;
  /** Wanted time of the session in ms; the server may change it. */
  timeoutMs: number;
  clock: Clock;
  /** A watch fired; each does once. */
  onEvent(type: number, path: string): void;
}

interface Pending {
  resolve(reply: WireReader | undefined): void;
  reject(error: Error): void;
}

/** Made by {@link openZookeeper}. */
export class ZookeeperSession {
  /** Rejects when the session ends, with the cause; never resolves. */
  readonly ended: Promise<never>;
  readonly #conn: Deno.Conn;
  readonly #options: ZookeeperOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #turns: Array<() => void> = [];
  readonly #end = Promise.withResolvers<never>();
  readonly #connected = Promise.withResolvers<void>();
  #timeoutMs: number;
  #heardAt: number;
  #stop: () => void;
  #xid = 1;
  #cause: Error | undefined;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(conn: Deno.Conn, options: ZookeeperOptions) {
    this.#conn = conn;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs;
    this.#heardAt = options.clock.now();
    this.ended = this.#end.promise;
    this.ended.catch(() => {});
    this.#connected.promise.catch(() => {});
    this.#stop = options.clock.every(Math.max(50, options.timeoutMs / 6), () => this.#beat());
    this.#read();
    this.#write(connectPacket(options.timeoutMs));
    if (options.auth !== null) this.#write(authPacket(options.auth));
  }

  /** Resolves when the server has taken the session. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  /** Names of the children, with a watch on them; undefined where the node is not there. */
  async children(path: string): Promise<string[] | undefined> {
    return (await this.#request(Op.getChildren, path))?.texts();
  }

  /** Content of a node, with a watch on it; undefined where the node is not there. */
  async data(path: string): Promise<string | undefined> {
    return (await this.#request(Op.getData, path))?.text();
  }

  /** Whether the node is there, with a watch on that. */
  async exists(path: string): Promise<boolean> {
    return await this.#request(Op.exists, path) !== undefined;
  }

  /** Says goodbye, so that the server need not wait for us, and closes. */
  close(): void {
    if (this.#cause !== undefined) return;
    this.#write(requestPacket(this.#xid++, Op.closeSession)).then(() => this.#fail(new Error("closed")));
    // Whoever does not read keeps nobody waiting.
    const cancel = this.#options.clock.after(500, () => this.#fail(new Error("closed")));
    this.ended.catch(cancel);
  }

  async #request(type: number, path: string): Promise<WireReader | undefined> {
    await this.connected;
    while (this.#pending.size >= mostPending && this.#cause === undefined) {
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    }
    if (this.#cause !== undefined) throw this.#cause;
    const xid = this.#xid++;
    return await new Promise((resolve, reject) => {
      this.#pending.set(xid, { resolve, reject });
      this.#write(requestPacket(xid, type, path));
    });
  }

  #beat(): void {
    const silentMs = this.#options.clock.now() - this.#heardAt;
    if (silentMs > (this.#timeoutMs * 2) / 3) {
      return this.#fail(new Error(`silent for ${Math.round(silentMs)} ms`));
    }
    if (silentMs > this.#timeoutMs / 4) this.#write(requestPacket(Xid.ping, Op.ping));
  }

  #write(bytes: Uint8Array): Promise<unknown> {
    this.#writes = this.#writes.then(async () => {
      for (let written = 0; written < bytes.length;) {
        written += await this.#conn.write(bytes.subarray(written));
      }
    }).catch((error) => this.#fail(error));
    return this.#writes;
  }

  async #read(): Promise<void> {
    const packets = new PacketReader(mostBytes);
    const chunk = new Uint8Array(64 * 1024);
    let first = true;
    try {
      for (;;) {
        const count = await this.#conn.read(chunk);
        if (count === null) throw new Error("the server ended the connection");
        this.#heardAt = this.#options.clock.now();
        for (const body of packets.push(chunk.slice(0, count))) {
          if (first) this.#begin(body);
          else this.#receive(new WireReader(body));
          first = false;
        }
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #begin(body: Uint8Array): void {
    const timeoutMs = readConnected(body);
    if (timeoutMs <= 0) throw new Error("the session has expired");
    this.#timeoutMs = timeoutMs;
    this.#connected.resolve();
  }

  #receive(reader: WireReader): void {
    const xid = reader.int();
    reader.skip(8);
    const code = reader.int();
    if (xid === Xid.event) {
      const type = reader.int();
      reader.skip(4);
      return this.#options.onEvent(type, reader.text());
    }
    if (xid === Xid.auth && code !== 0) throw new Error(errorText(code));
    const pending = this.#pending.get(xid);
    if (pending === undefined) return;
    this.#pending.delete(xid);
    this.#turns.shift()?.();
    if (code === 0) pending.resolve(reader);
    else if (code === noNode) pending.resolve(undefined);
    else pending.reject(new Error(errorText(code)));
  }

  #fail(error: Error): void {
    if (this.#cause !== undefined) return;
    const { hostname, port } = this.#options;
    this.#cause = new Error(`${hostname}:${port}: ${error.message}`, { cause: error });
    this.#stop();
    try {
      this.#conn.close();
    } catch {
      // closed is what we want
    }
    for (const { reject } of this.#pending.values()) reject(this.#cause);
    this.#pending.clear();
    for (const turn of this.#turns.splice(0)) turn();
    this.#connected.reject(this.#cause);
    this.#end.reject(this.#cause);
  }
}

/** Connects and opens a session. Rejects when the server cannot be had within the session's time. */
export async function openZookeeper(
  options: ZookeeperOptions,
  signal: AbortSignal,
): Promise<ZookeeperSession> {
  const { hostname, port, timeoutMs } = options;
  const late = AbortSignal.timeout(timeoutMs);
  let conn: Deno.Conn;
  try {
    conn = await connectTcp(hostname, port, AbortSignal.any([signal, late]));
  } catch (error) {
    const why = late.aborted ? `no connection within ${timeoutMs} ms` : "cannot be reached";
    throw new Error(`${hostname}:${port}: ${why}`, { cause: error });
  }
  const session = new ZookeeperSession(conn, options);
  const cancel = () => session.close();
  signal.addEventListener("abort", cancel, { once: true });
  session.ended.catch(() => signal.removeEventListener("abort", cancel));
  await session.connected;
  return session;
}
