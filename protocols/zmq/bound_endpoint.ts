/**
 * One endpoint to listen on, which one process at a time can have: who gets it serves, the others stand by and try again.
 * That holds for workers, for generations of a reload, and after the holder's death. libzmq would take an ipc path from
 * its holder without a word, so a lock file stands beside it; the system gives the lock back when its holder dies.
 */
import type { ZmqAddress } from "../../core/manifest/plan.ts";
import { endpointText } from "./endpoint_text.ts";
import type { MonitorEvent } from "./monitor.ts";
import type { ZmqSocket } from "./socket.ts";

/** Time between two attempts. */
const everyMs = 100;
/** Longest wait for libzmq to give an endpoint back. */
const releaseMs = 1000;

/** See the module's header. */
export class BoundEndpoint {
  readonly #address: ZmqAddress;
  readonly #socket: ZmqSocket;
  /** Where it is bound, port resolved; undefined while it is somebody else's. */
  #bound: string | undefined;
  #lock: Deno.FsFile | undefined;
  #nextAt = -Infinity;
  #released: (() => void) | undefined;

  constructor(socket: ZmqSocket, address: ZmqAddress) {
    this.#socket = socket;
    this.#address = address;
  }

  get held(): boolean {
    return this.#bound !== undefined;
  }

  /** `127.0.0.1:5555`, `unix:/path` or `inproc://name`, as listeners say where they listen. */
  get text(): string {
    const endpoint = this.#bound ?? endpointText(this.#address);
    return endpoint.replace(/^tcp:\/\//, "").replace(/^ipc:\/\//, "unix:");
  }

  /** Tries when it is time to; true when it has just been got. Throws ZmqError where it can never be had. */
  try(now: number): boolean {
    if (this.held || now < this.#nextAt) return false;
    this.#nextAt = now + everyMs;
    if (!this.#takeLock()) return false;
    const endpoint = endpointText(this.#address);
    let bound = false;
    try {
      bound = this.#socket.bind(endpoint);
    } finally {
      if (!bound) this.#giveLock();
    }
    if (!bound) return false;
    this.#bound = this.#resolved(endpoint);
    return true;
  }

  /** Resolves when another process can have it. */
  async release(): Promise<void> {
    const bound = this.#bound;
    if (bound === undefined) return;
    this.#bound = undefined;
    this.#nextAt = Infinity;
    // Whoever tries before libzmq has closed it would find it taken.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const closed = new Promise<void>((resolve) => {
      this.#released = resolve;
      timer = setTimeout(resolve, releaseMs);
    });
    this.#socket.unbind(bound);
    if (this.#address.transport !== "inproc") await closed;
    clearTimeout(timer);
    this.#removeFile();
    this.#giveLock();
  }

  /** libzmq leaves it; while we have the lock it is ours. */
  #removeFile(): void {
    if (this.#address.transport !== "unix") return;
    try {
      Deno.removeSync(this.#address.path);
    } catch {
      // Gone already.
    }
  }

  /** Tell it what the socket's monitor says. */
  heard({ name }: MonitorEvent): void {
    if (name === "closed") this.#released?.();
  }

  #resolved(endpoint: string): string {
    const { transport } = this.#address;
    if (transport !== "tcp") return endpoint;
    const last = this.#socket.lastEndpoint();
    const port = /:(\d+)$/.exec(last)?.[1];
    return port === undefined ? endpoint : endpoint.replace(/:\d+$/, `:${port}`);
  }

  #takeLock(): boolean {
    if (this.#address.transport !== "unix" || this.#lock) return true;
    const file = Deno.openSync(`${this.#address.path}.lock`, { create: true, write: true, mode: 0o600 });
    if (file.tryLockSync(true)) {
      this.#lock = file;
      return true;
    }
    file.close();
    return false;
  }

  #giveLock(): void {
    this.#lock?.close();
    this.#lock = undefined;
  }
}
