/** What the two accept paths (native and node) have in common for the rest of the worker. */
import type { Reason } from "../reasons.ts";
import type { Accepted } from "./guard.ts";
import type { HandshakeLimits } from "./handshakes.ts";
import { socketCalls } from "./libc.ts";

/** One bound address. */
export interface Listening {
  /** `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`. */
  readonly address: string;
  /** TCP port, 0 for unix sockets. */
  readonly port: number;
  /** Connections the kernel keeps for us now; -1 where nobody knows. */
  queued(): number;
  /** See SocketCalls.steerAway; false where it is not possible. */
  steerAway(self: number, size: number): boolean;
  unsteer(): void;
  /** Milliseconds (monotonic) since the last connection was accepted; Infinity before the first. */
  sinceAcceptMs(): number;
  /** TLS handshakes under way that are no connections yet. */
  handshakes(): number;
  /** Stops accepting and gives the address back. */
  close(): void;
  /** Resolves, after {@link close}, when the kernel counts it among the listening sockets no more. */
  readonly released: Promise<void>;
}

/** What a listening needs to know. */
export interface ListenOptions {
  address: { transport: "tcp"; hostname: string; port: number } | { transport: "unix"; path: string };
  backlog: number;
  reusePort: boolean;
  tls?: { cert: string; key: string; clientCa?: string };
  alpn: readonly string[];
  /** Of TLS handshakes where those are not connections yet; see {@link Listening.handshakes}. */
  handshakes: HandshakeLimits;
  /** Called for every connection; must not throw. */
  onAccept: (accepted: Accepted) => void;
  /** Called for every failed accept or handshake, with what was wrong. */
  onError: (error: unknown, kind: "accept" | "tls") => void;
  /** Called for every handshake that was cut. */
  onCut: (reason: Reason) => void;
}

/** Descriptors that listenings of this process know as theirs: several may listen on one port, on different addresses. */
const claimed = new Set<number>();

/** The listening descriptor on `port` that was bound last; -1 where nobody knows. Give it back when it is closed. */
export function claimListeningFd(port: number): number {
  const fd = port > 0 ? socketCalls()?.listeningFd(port, claimed) ?? -1 : -1;
  if (fd >= 0) claimed.add(fd);
  return fd;
}

/** See {@link claimListeningFd}. */
export function releaseListeningFd(fd: number): void {
  claimed.delete(fd);
}

/** `host:port` as people write it. */
export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Pause after the n-th failed accept in a row, ms: 10, 20, … 1000 (EMFILE must neither spin nor kill the port). */
export function acceptBackoffMs(failures: number): number {
  return Math.min(1000, 10 * 2 ** Math.min(failures - 1, 10));
}
