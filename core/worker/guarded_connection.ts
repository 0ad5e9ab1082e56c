/**
 * One accepted connection with its limits. The protocol moves it from phase to phase; the guard (guard.ts) looks at it
 * now and then and ends what stays too long. Moving costs two stores.
 */
import { type ByteStream, type Connection, type LastWriter, Phase, type PhaseValue } from "../protocol.ts";
import type { Reason } from "../reasons.ts";
import type { Guard } from "./guard.ts";
import { lastWriter } from "./last_writer.ts";
import { socketCalls } from "./libc.ts";
import { peerWatch } from "./peer_watch.ts";

/** See {@link Connection}. */
export class GuardedConnection implements Connection {
  readonly id: number;
  readonly stream: ByteStream;
  readonly address: string;
  readonly client: string;
  readonly tls: boolean;
  alpn = "";
  /** Descriptor for TCP_INFO; -1 where unknown (yet). */
  fd: number;
  readonly port: number;
  /** Row in the shared connection table. */
  readonly row: number;
  /** Monotonic ms after which its next answer is the last; Infinity without `accept.age`. */
  readonly endOfLife: number;
  requests = 0;
  closing = false;
  phase: PhaseValue = Phase.first;
  /** Monotonic ms at which the phase began. */
  since: number;
  /** Bytes received when the guard last looked; -1 before it looked in this phase. */
  seenBytes = -1;
  /** Monotonic ms at which the guard last saw bytes come in. */
  movedAt = 0;
  nextLookAt = 0;
  /** Bytes that the peer had taken when the guard last looked, and since when it is that many. */
  takenBytes = -1;
  takenAt = 0;
  /** Monotonic ms at which the guard told it to end; 0 before. */
  endedAt = 0;
  /** The guard, not the protocol, moved it to its phase. */
  guessed = false;
  /** What a drain saw when it looked last: when its phase began, and the bytes received by then. */
  drainSince = -1;
  drainBytes = -1;
  /** The peer is gone; answers have nobody to go to. */
  gone = false;
  opaque = false;
  left = false;
  /** What the {@link peerWatch} knows; `left` only once somebody asked, because that ends what waits. */
  departed = false;
  /** Called when it ends, for handlers that asked for a signal. */
  watchers: Set<() => void> | undefined;
  kill: (reason: Reason) => void;
  finish: () => void;
  readonly #guard: Guard;
  /** Its number in the {@link peerWatch}; 0 where it is not in it. */
  #watched = 0;

  constructor(
    guard: Guard,
    id: number,
    stream: ByteStream,
    peer: { address: string; port: number; client: string; tls: boolean; fd: number; row: number },
    now: number,
    endOfLife: number,
  ) {
    this.#guard = guard;
    this.id = id;
    this.stream = stream;
    this.address = peer.address;
    this.client = peer.client;
    this.tls = peer.tls;
    this.fd = peer.fd;
    this.port = peer.port;
    this.row = peer.row;
    this.since = now;
    this.endOfLife = endOfLife;
    this.kill = (reason) => this.done(reason);
    this.finish = () => this.done("drain");
  }

  enter(phase: PhaseValue): void {
    this.phase = phase;
    this.since = this.#guard.now;
    this.seenBytes = -1;
    this.guessed = false;
  }

  peerLeft(now?: number): boolean {
    if (this.left || this.gone) return true;
    if (!this.opaque || this.fd < 0) return false;
    if (now !== undefined && this.#watched > 0) {
      peerWatch()!.look(now);
      return this.left = this.departed;
    }
    if (now !== undefined) this.#watched = peerWatch()?.add(this.fd, this) ?? 0;
    return this.left = socketCalls()?.peerClosed(this.fd) ?? false;
  }

  detach(): number {
    const fd = this.stream.detach?.() ?? -1;
    if (fd >= 0) this.fd = fd;
    return fd;
  }

  lastWriter(): LastWriter | undefined {
    const calls = socketCalls();
    const fd = calls && !this.tls ? this.detach() : -1;
    return fd < 0 ? undefined : lastWriter(fd, calls!);
  }

  done(reason: Reason): void {
    if (this.gone) return;
    this.gone = true;
    try {
      this.stream.close();
    } catch {
      // Taken by the runtime's server or closed by the peer: closed is what we want.
    }
    if (this.#watched > 0) peerWatch()!.forget(this.#watched);
    if (this.watchers) { for (const watcher of [...this.watchers]) watcher(); }
    this.#guard.remove(this, reason);
  }
}
