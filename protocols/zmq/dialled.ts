/** The endpoints that a listener's socket is connected to: those written down, or those of an upstream as they come and go. */
import type { ZmqAddress } from "../../core/manifest/plan.ts";
import type { ZmqHost } from "./server.ts";
import { endpointOf, endpointText } from "./endpoint_text.ts";
import type { ZmqSocket } from "./socket.ts";

/** See the module's header. */
export class Dialled {
  readonly #socket: ZmqSocket;
  readonly #host: ZmqHost;
  readonly #wanted: () => Iterable<string>;
  readonly #connected = new Set<string>();
  #held = false;

  /** Throws TypeError where there is no such upstream. */
  constructor(socket: ZmqSocket, connect: string | readonly ZmqAddress[], host: ZmqHost) {
    this.#socket = socket;
    this.#host = host;
    if (typeof connect === "string") {
      const caller = host.upstream(connect);
      this.#wanted = () => [...caller.endpoints?.() ?? []].map(({ spec }) => endpointOf(spec.address));
    } else {
      const endpoints = connect.map(endpointText);
      this.#wanted = () => endpoints;
    }
  }

  get endpoints(): string[] {
    return [...this.#connected];
  }

  /** Connects to what is new, disconnects from what is gone. Cheap; called with every tick. */
  follow(): void {
    if (this.#held) return;
    const wanted = new Set(this.#wanted());
    for (const endpoint of wanted) {
      if (this.#connected.has(endpoint)) continue;
      this.#connected.add(endpoint);
      this.#try(endpoint, "connects", () => this.#socket.connect(endpoint));
    }
    for (const endpoint of this.#connected) {
      if (wanted.has(endpoint)) continue;
      this.#connected.delete(endpoint);
      this.#try(endpoint, "disconnects", () => this.#socket.disconnect(endpoint));
    }
  }

  /** No further changes. */
  hold(): void {
    this.#held = true;
  }

  #try(endpoint: string, what: string, change: () => void): void {
    try {
      change();
      this.#host.log.debug(what, { endpoint });
    } catch (error) {
      this.#host.log.error(`cannot take endpoint`, { endpoint, error });
    }
  }
}
