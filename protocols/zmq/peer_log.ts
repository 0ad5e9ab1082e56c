/**
 * What happens to a socket's connections, in the log: who came, who left, who was not let in. Bounded: beyond a number of
 * lines per second they are only counted. Knows how many peers there are.
 */
import type { Log } from "../../core/context.ts";
import type { MonitorEvent, MonitorEventName } from "./monitor.ts";

const mostLines = 20;
const periodMs = 1000;

/** What is said of an event, and how loudly; what is not here is of no interest. */
const lines: Partial<Record<MonitorEventName, readonly ["debug" | "info" | "warn", string]>> = {
  handshakeSucceeded: ["info", "peer connected"],
  disconnected: ["info", "peer disconnected"],
  handshakeFailed: ["warn", "peer refused: handshake failed"],
  handshakeFailedProtocol: ["warn", "peer refused: it speaks another protocol"],
  handshakeFailedAuth: ["warn", "peer refused: not allowed"],
  connectRetried: ["debug", "no connection yet; it is tried again"],
  acceptFailed: ["warn", "cannot accept a connection"],
};

/** See the module's header. */
export class PeerLog {
  readonly #log: Log;
  #lines = 0;
  #dropped = 0;
  #since = 0;
  #lost = 0;
  #peers = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Peers that are connected now. */
  get peers(): number {
    return this.#peers;
  }

  heard({ name, endpoint }: MonitorEvent): void {
    if (name === "handshakeSucceeded") this.#peers++;
    if (name === "disconnected") this.#peers = Math.max(0, this.#peers - 1);
    const line = lines[name];
    if (line) {
      this.#say(line[0], line[1], {
        endpoint: endpoint.replace("[::ffff:", "").replace("]:", ":"),
        peers: this.#peers,
      });
    }
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

  #say(level: "debug" | "info" | "warn", text: string, fields: Record<string, unknown>): void {
    if (++this.#lines > mostLines) this.#dropped++;
    else this.#log[level](text, fields);
  }
}
