/**
 * The few socket calls that Deno has no API for, by FFI on the C library: which descriptor listens, what the kernel
 * knows of a connection, and where a SO_REUSEPORT group sends new connections. Linux only; everywhere else
 * {@link socketCalls} is undefined and its users do without.
 *
 * Sources: tcp(7) TCP_INFO (struct tcp_info of linux/tcp.h), socket(7) SO_ATTACH_REUSEPORT_CBPF, and the classic BPF
 * of linux/filter.h.
 */
import { sockaddrKey } from "./peer_key.ts";

const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SO_DETACH_REUSEPORT_BPF = 68;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const F_DUPFD_CLOEXEC = 1030;
const TCP_INFO_BYTES = 232;
const POLLOUT = 0x0004;
const POLLERR = 0x0008;
const POLLHUP = 0x0010;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const POLLRDHUP = 0x2000;

const symbols = {
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
} as const;

/** What the kernel knows of one TCP socket. For a listening socket `unacked` is its accept queue now. */
export interface TcpInfo {
  unacked: number;
  /** Bytes handed to the application so far and waiting to be read. */
  bytesReceived: number;
  bytesAcked: number;
  notSentBytes: number;
  /** Milliseconds since data was last sent; on a fresh connection, since the kernel completed the handshake. */
  sinceSentMs: number;
}

/** The calls; get them from {@link socketCalls}. */
export class SocketCalls {
  readonly #c: Deno.DynamicLibrary<typeof symbols>["symbols"];
  readonly #info = new Uint8Array(TCP_INFO_BYTES);
  readonly #view = new DataView(this.#info.buffer);
  readonly #length = new Uint32Array(1);
  readonly #lengthBytes = new Uint8Array(this.#length.buffer);
  /** struct pollfd: fd, events, revents. */
  readonly #poll = new Int32Array(2);
  readonly #pollBytes = new Uint8Array(this.#poll.buffer);
  readonly #answer: TcpInfo = {
    unacked: 0,
    bytesReceived: 0,
    bytesAcked: 0,
    notSentBytes: 0,
    sinceSentMs: 0,
  };

  constructor(library: Deno.DynamicLibrary<typeof symbols>) {
    this.#c = library.symbols;
  }

  /** TCP_INFO of `fd`, in an object that the next call overwrites; undefined when `fd` is no TCP socket. */
  tcpInfo(fd: number): TcpInfo | undefined {
    if (fd < 0) return undefined;
    this.#length[0] = TCP_INFO_BYTES;
    if (this.#c.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.#info, this.#lengthBytes) !== 0) return undefined;
    const view = this.#view;
    const answer = this.#answer;
    answer.unacked = view.getUint32(24, true);
    answer.sinceSentMs = view.getUint32(44, true);
    answer.bytesAcked = view.getUint32(124, true) * 2 ** 32 + view.getUint32(120, true);
    answer.bytesReceived = view.getUint32(132, true) * 2 ** 32 + view.getUint32(128, true);
    answer.notSentBytes = view.getUint32(144, true);
    return answer;
  }

  /** Whether the peer of `fd` has closed its side or reset the connection, whatever is still to be read. */
  peerClosed(fd: number): boolean {
    return fd >= 0 && (this.#ready(fd, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) !== 0;
  }

  #ready(fd: number, events: number): number {
    this.#poll[0] = fd;
    this.#poll[1] = events;
    return this.#c.poll(this.#pollBytes, 1n, 0) === 1 ? this.#poll[1]! >>> 16 : 0;
  }

  /** Sends what the kernel takes of `bytes` now; how many that were, -1 when nothing can be sent any more. */
  send(fd: number, bytes: Uint8Array): number {
    if ((this.#ready(fd, POLLOUT) & (POLLOUT | POLLHUP | POLLERR)) === 0) return 0;
    const copy = new Uint8Array(bytes);
    return Number(this.#c.send(fd, copy, BigInt(copy.length), MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /** Closes a descriptor that the caller owns. */
  close(fd: number): void {
    this.#c.close(fd);
  }

  /** Whether `fd` is a connection to `port` still: descriptors are given out again. */
  isPeer(fd: number, port: number): boolean {
    return fd >= 0 && this.#port("getpeername", fd) === port;
  }

  /** A second descriptor of the same open socket, closed on exec; -1 when there is none to be had. */
  duplicate(fd: number): number {
    return fd < 0 ? -1 : this.#c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  }

  /** Ends both directions of the connection to `port`, whoever holds it; nothing happens when `fd` is another one. */
  shutdown(fd: number, port: number): void {
    if (this.isPeer(fd, port)) this.#c.shutdown(fd, SHUT_RDWR);
  }

  /** Tells the peer at `port` that nothing more will come, right now; nothing happens when `fd` is not its connection. */
  endWrites(fd: number, port: number): void {
    if (this.isPeer(fd, port)) this.#c.shutdown(fd, SHUT_WR);
  }

  /** The descriptor that listens on `port` and is none of `others`; -1 when this process has none. */
  listeningFd(port: number, others: ReadonlySet<number>): number {
    const flag = new Uint8Array(4);
    for (const entry of Deno.readDirSync("/proc/self/fd")) {
      const fd = Number(entry.name);
      if (others.has(fd)) continue;
      const size = new Uint8Array(Uint32Array.of(4).buffer);
      if (this.#c.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, flag, size) !== 0 || flag[0] !== 1) continue;
      if (this.#port("getsockname", fd) === port) return fd;
    }
    return -1;
  }

  /** Descriptors of this process's connections by {@link peerKey}; for connections that do not tell theirs. */
  connectedFds(): Map<string, number> {
    const found = new Map<string, number>();
    const address = new Uint8Array(128);
    for (const entry of Deno.readDirSync("/proc/self/fd")) {
      const fd = Number(entry.name);
      const size = new Uint8Array(Uint32Array.of(128).buffer);
      if (this.#c.getpeername(fd, address, size) !== 0) continue;
      const key = sockaddrKey(address);
      if (key !== "") found.set(key, fd);
    }
    return found;
  }

  #port(call: "getsockname" | "getpeername", fd: number): number {
    const address = new Uint8Array(128);
    const size = new Uint8Array(Uint32Array.of(128).buffer);
    if (this.#c[call](fd, address, size) !== 0) return -1;
    const family = address[0]! | (address[1]! << 8);
    return family === 2 || family === 10 ? (address[2]! << 8) | address[3]! : -1;
  }

  /**
   * Sends new connections of the SO_REUSEPORT group that `fd` belongs to everywhere but to member `self` of `size`:
   * a classic BPF program picks a random member and steps over that one. Returns false when the kernel refuses.
   */
  steerAway(fd: number, self: number, size: number): boolean {
    if (size < 2) return false;
    const instructions: Array<[code: number, jt: number, jf: number, k: number]> = [
      [0x20, 0, 0, 0xfffff000 + 56], // ld  #random (SKF_AD_OFF + SKF_AD_RANDOM)
      [0x94, 0, 0, size - 1], //        mod #(size - 1)
      [0x35, 0, 1, self], //            jge #self, +0, +1
      [0x04, 0, 0, 1], //               add #1
      [0x16, 0, 0, 0], //               ret a
    ];
    const code = new Uint8Array(instructions.length * 8);
    const codeView = new DataView(code.buffer);
    instructions.forEach(([op, jt, jf, k], i) => {
      codeView.setUint16(i * 8, op, true);
      codeView.setUint8(i * 8 + 2, jt);
      codeView.setUint8(i * 8 + 3, jf);
      codeView.setUint32(i * 8 + 4, k >>> 0, true);
    });
    const program = new Uint8Array(16);
    const programView = new DataView(program.buffer);
    programView.setUint16(0, instructions.length, true);
    programView.setBigUint64(8, BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(code))), true);
    const attached = this.#c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program, 16) === 0;
    // The kernel has read the instructions by now; until here they must not be collected.
    return attached && code.length > 0;
  }

  /** Back to the kernel's even hashing over the whole group. */
  unsteer(fd: number): boolean {
    return this.#c.setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, new Uint8Array(4), 4) === 0;
  }
}

let loaded: SocketCalls | null | undefined;

/** The calls, or undefined where this system or these permissions have none. */
export function socketCalls(): SocketCalls | undefined {
  if (loaded === undefined) {
    try {
      loaded = Deno.build.os === "linux" ? new SocketCalls(Deno.dlopen("libc.so.6", symbols)) : null;
    } catch {
      loaded = null;
    }
  }
  return loaded ?? undefined;
}
