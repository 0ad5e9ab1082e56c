/**
 * Which peers have closed their side, for all connections of this process at once: an epoll(7) set that is asked at most
 * every fifth of a millisecond, so that under load the question costs a fraction of a system call per answer. Only
 * connections that were asked about once are in it. Linux only, like {@link socketCalls}.
 */

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 1 << 31;

/** What was seen is good for this long. A peer that leaves in between is noticed as one that leaves a moment later. */
const freshMs = 0.2;
/** Peers that one question finds at most; the others are found by the next one. */
const mostFound = 64;
/** `struct epoll_event` is packed on one architecture only. */
const eventBytes = Deno.build.arch === "x86_64" ? 12 : 16;
const dataAt = eventBytes - 8;

const symbols = {
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
} as const;

/** A connection that is watched. */
export interface Watched {
  /** Its peer has closed its side or reset the connection. */
  departed: boolean;
}

/** See the module's header; get it from {@link peerWatch}. */
export class PeerWatch {
  readonly #c: Deno.DynamicLibrary<typeof symbols>["symbols"];
  readonly #set: number;
  readonly #events = new Uint8Array(mostFound * eventBytes);
  readonly #view = new DataView(this.#events.buffer);
  /** By a number of their own: descriptors are given out again. */
  readonly #watched = new Map<number, Watched>();
  #lastNumber = 0;
  #askedAt = -Infinity;

  /** Throws where there is no such set. */
  constructor(library: Deno.DynamicLibrary<typeof symbols>) {
    this.#c = library.symbols;
    this.#set = this.#c.epoll_create1(EPOLL_CLOEXEC);
    if (this.#set < 0) throw new Error("Cannot watch peers: no epoll set");
  }

  /** Watches the open connection behind descriptor `fd`: a number for {@link forget}, 0 where that is not possible. */
  add(fd: number, connection: Watched): number {
    const number = this.#lastNumber = this.#lastNumber % 0x7fff_ffff + 1;
    if (fd < 0 || this.#watched.has(number)) return 0;
    const event = new Uint8Array(eventBytes);
    const view = new DataView(event.buffer);
    view.setUint32(0, EPOLLRDHUP | EPOLLET, true);
    view.setUint32(dataAt, number, true);
    if (this.#c.epoll_ctl(this.#set, EPOLL_CTL_ADD, fd, event) !== 0) return 0;
    this.#watched.set(number, connection);
    return number;
  }

  /** The connection is over. The kernel takes it out of the set when its last descriptor is closed. */
  forget(number: number): void {
    this.#watched.delete(number);
  }

  /** Sets `departed` of those whose peer has left, as of `now` (monotonic ms) or a moment before. */
  look(now: number): void {
    if (now - this.#askedAt < freshMs) return;
    this.#askedAt = now;
    const found = this.#c.epoll_wait(this.#set, this.#events, mostFound, 0);
    for (let i = 0; i < found; i++) {
      const connection = this.#watched.get(this.#view.getUint32(i * eventBytes + dataAt, true));
      if (connection) connection.departed = true;
    }
    if (found === mostFound) this.#askedAt = -Infinity;
  }
}

let made: PeerWatch | null | undefined;

/** The one of this process, or undefined where this system or these permissions have none. */
export function peerWatch(): PeerWatch | undefined {
  if (made === undefined) {
    try {
      made = Deno.build.os === "linux" ? new PeerWatch(Deno.dlopen("libc.so.6", symbols)) : null;
    } catch {
      made = null;
    }
  }
  return made ?? undefined;
}
