/**
 * What happens to a socket's connections: in the log who came, who left and who was not let in, and in the statistics
 * and on the pages with all other connections. Lines are bounded: beyond a number per second they are only counted.
 */
import type { Log } from "../../core/context.ts";
import type { PeerCounts } from "../../core/protocol.ts";
import type { MonitorEvent, MonitorEventName } from "./monitor.ts";
import { peerAddress } from "./peer_address.ts";

const mostLines = 20;
const periodMs = 1000;

/** What is said of an event, and how loudly; what is not here is of no interest. */
const lines: Partial<Record<MonitorEventName, readonly ["debug" | "info" | "warn", string]>> = {
  handshakeSucceeded: ["info", "peer connected"],
  disconnected: ["info", "peer disconnected"],
  handshakeFailed: ["warn", "peer refused: handshake failed"],
  handshakeFailedProtocol: ["warn", "peer refused: it speaks another protocol, or has another security"],
  handshakeFailedAuth: ["warn", "peer refused: not allowed"],
  connectRetried: ["debug", "no connection yet; it is tried again"],
  acceptFailed: ["warn", "cannot accept a connection"],
};

/** One connection, by its descriptor. */
interface Peer {
  readonly address: string;
  readonly row: number;
}

/** See the module's header. */
export class PeerLog {
  readonly #log: Log;
  readonly #counts: PeerCounts | undefined;
  readonly #secure: boolean;
  readonly #peers = new Map<number, Peer>();
  #lines = 0;
  #dropped = 0;
  #since = 0;
  #lost = 0;

  constructor(log: Log, counts: PeerCounts | undefined, secure: boolean) {
    this.#log = log;
    this.#counts = counts;
    this.#secure = secure;
  }

  heard(event: MonitorEvent): void {
    const { name, value, endpoint } = event;
    if (name === "accepted" || name === "connected") this.#came(value);
    if (name.startsWith("handshakeFailed")) {
      this.#counts?.refused(this.#secure ? "tls_failed" : "protocol_error");
    }
    const address = name === "disconnected" ? this.#left(value) : "";
    const line = lines[name];
    if (!line) return;
    const fields = { endpoint: endpoint.replace("[::ffff:", "").replace("]:", ":"), peers: this.#peers.size };
    this.#say(line[0], line[1], address === "" ? fields : { address, ...fields });
  }

  /** A message came without a good signature. */
  unverified(why: string): void {
    this.#say("warn", "message refused: its signature", { why });
  }

  /** A reply did not reach its peer. */
  lost(why: "full" | "unreachable"): void {
    this.#lost++;
    this.#say("debug", "reply dropped", { why, lost: this.#lost });
  }

  tick(now: number): void {
    if (now - this.#since < periodMs) return;
    this.#since = now;
    this.#lines = 0;
    if (this.#dropped > 0) {
      this.#log.info("further events of connections, not logged", { count: this.#dropped });
    }
    this.#dropped = 0;
  }

  /** The socket is closed: what it had is gone without a word. */
  close(): void {
    for (const descriptor of [...this.#peers.keys()]) this.#left(descriptor, true);
  }

  #came(descriptor: number): void {
    const address = peerAddress(descriptor);
    this.#peers.set(descriptor, { address, row: this.#counts?.connected(address, this.#secure) ?? -1 });
  }

  #left(descriptor: number, ours = false): string {
    const peer = this.#peers.get(descriptor);
    if (!peer) return "";
    this.#peers.delete(descriptor);
    this.#counts?.left(peer.row, ours ? "drain" : "client_closed");
    return peer.address;
  }

  #say(level: "debug" | "info" | "warn", text: string, fields: Record<string, unknown>): void {
    if (++this.#lines > mostLines) this.#dropped++;
    else this.#log[level](text, fields);
  }
}
