/**
 * Connections that are not accepted by us but made by the library of a protocol (zmq): counted in the same series and
 * shown in the same table as all others.
 */
import type { PeerCounts } from "../protocol.ts";
import type { Reason } from "../reasons.ts";
import type { SlotWriter } from "../stats/mod.ts";

/** See the module's header. */
export class SocketPeers implements PeerCounts {
  readonly #stats: SlotWriter;
  readonly #listener: string;
  readonly #index: number;
  readonly #epoch: () => number;
  #count = 0;

  constructor(stats: SlotWriter, listener: string, epoch: () => number) {
    this.#stats = stats;
    this.#listener = listener;
    this.#index = stats.intern(listener);
    this.#epoch = epoch;
  }

  connected(address: string, secure: boolean): number {
    const labels = { listener: this.#listener };
    this.#stats.counter("weir_connections_accepted_total", labels, "Connections accepted").add();
    this.#open(1);
    return this.#stats.connections.open(this.#index, address, secure, this.#epoch());
  }

  left(peer: number, reason: Reason): void {
    const labels = { listener: this.#listener, reason };
    this.#stats.counter("weir_connections_closed_total", labels, "Connections ended, by reason").add();
    this.#open(-1);
    this.#stats.connections.close(peer);
  }

  refused(reason: Reason): void {
    const labels = { listener: this.#listener, reason };
    this.#stats.counter("weir_connections_refused_total", labels, "Connections refused at accept, by reason")
      .add();
  }

  #open(by: number): void {
    this.#count = Math.max(0, this.#count + by);
    this.#stats.gauge("weir_connections_open", { listener: this.#listener }, "Connections open").set(
      this.#count,
    );
  }
}
