/**
 * TLS handshakes over node sockets that are under way. They are no connections yet, so the guard does not know them:
 * here they get their bound in number and in time, and a drain learns that it has to wait for them.
 */
import type { Duplex } from "node:stream";

/** Their limits. */
export interface HandshakeLimits {
  /** Longest time of one. */
  readonly timeoutMs: number;
  /** Most at once; further ones are refused. */
  readonly most: number;
}

/** The handshakes of one listening address. */
export class Handshakes {
  readonly #limits: HandshakeLimits;
  readonly #onEnd: (reason: "tls_timeout" | "connections_full") => void;
  readonly #under = new Map<Duplex, ReturnType<typeof setTimeout>>();

  /** `onEnd` hears of those that are ended here. */
  constructor(limits: HandshakeLimits, onEnd: (reason: "tls_timeout" | "connections_full") => void) {
    this.#limits = limits;
    this.#onEnd = onEnd;
  }

  /** How many there are. */
  get size(): number {
    return this.#under.size;
  }

  /** `socket` begins to shake hands; false when it was refused. */
  begin(socket: Duplex): boolean {
    const { most, timeoutMs } = this.#limits;
    if (this.#under.size >= most) return this.#cut(socket, "connections_full");
    this.#under.set(socket, setTimeout(() => this.#cut(socket, "tls_timeout"), timeoutMs));
    socket.once("close", () => this.end(socket));
    return true;
  }

  /** `socket` is through with it, one way or the other. */
  end(socket: Duplex): void {
    clearTimeout(this.#under.get(socket));
    this.#under.delete(socket);
  }

  #cut(socket: Duplex, reason: "tls_timeout" | "connections_full"): false {
    this.end(socket);
    socket.destroy();
    this.#onEnd(reason);
    return false;
  }
}
