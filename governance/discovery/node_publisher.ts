/** Publishes the nodes of a registry: a first change at once, those that come in numbers together. */
import type { DiscoveryHost } from "./discovery.ts";
import type { NodeEndpoints } from "./node_endpoints.ts";

/** Shortest time between two sets, and what each node adds: a set is sorted and compared as a whole. */
const gapMs = 20;
const gapMsPerNode = 0.01;

/** One set of nodes on its way to the host. */
export class NodePublisher {
  readonly #host: DiscoveryHost;
  readonly #nodes: NodeEndpoints;
  readonly #where: string;
  #waiting = false;
  #cancel: (() => void) | undefined;

  /** `where` is named when there are no nodes at all. */
  constructor(host: DiscoveryHost, nodes: NodeEndpoints, where: string) {
    this.#host = host;
    this.#nodes = nodes;
    this.#where = where;
  }

  /** The nodes have changed. */
  changed(): void {
    if (this.#cancel !== undefined) {
      this.#waiting = true;
      return;
    }
    this.#waiting = false;
    this.#host.publish(
      this.#nodes.specs(),
      this.#nodes.problem || (this.#nodes.size === 0 ? this.#where : ""),
    );
    this.#cancel = this.#host.clock.after(gapMs + gapMsPerNode * this.#nodes.size, () => {
      this.#cancel = undefined;
      if (this.#waiting) this.changed();
    });
  }

  /** Publishes what waits, and no more. */
  close(): void {
    this.#stop();
    if (this.#waiting) this.changed();
    this.#stop();
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
