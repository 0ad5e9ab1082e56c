/** Where the service listens: what workers and the governor bound, and what the acceptor holds for them. */
import type { Plan } from "../manifest/plan.ts";
import { handedOver, type ListenerAddress } from "./handed_over.ts";
import { pinPorts } from "./pin_ports.ts";

type Texts = Record<string, string[]>;

/** Addresses by listener, in the order of its `listen`; `meta` for the pages. */
export class ListeningAddresses {
  /** "" where the acceptor listens. */
  #bound: Texts = {};
  /** "" where workers listen. */
  #accepted: Texts = {};

  /** A child told where it listens. */
  bind(addresses: Texts): void {
    Object.assign(this.#bound, addresses);
  }

  /** The acceptor listens there now. */
  accept(addresses: Texts): void {
    Object.assign(this.#accepted, addresses);
  }

  /** Everything, port 0 resolved. */
  all(): Texts {
    const all: Texts = {};
    for (const [name, texts] of [...Object.entries(this.#bound), ...Object.entries(this.#accepted)]) {
      const merged = all[name] ??= [];
      texts.forEach((text, index) => merged[index] = text || merged[index] || "");
    }
    return all;
  }

  /** Whether the acceptor listens wherever `plan` needs it. */
  accepts(plan: Plan): boolean {
    return handedOver(plan).every(({ listener, index }) => this.#accepted[listener]?.[index]);
  }

  /** `plan` with the ports that are known by now; see pin_ports.ts. */
  pin(plan: Plan): Plan {
    return pinPorts(plan, this.all());
  }

  /** `plan` serves, at `bound` where its workers are new. Returns what the acceptor is to keep open. */
  serve(plan: Plan, bound?: readonly Texts[]): ListenerAddress[] {
    const held = handedOver(this.pin(plan));
    const kept: Texts = {};
    for (const { listener } of held) kept[listener] = this.#accepted[listener] ?? [];
    this.#accepted = kept;
    if (bound === undefined) return held;
    const meta: Texts = plan.meta !== null && this.#bound.meta ? { meta: this.#bound.meta } : {};
    this.#bound = Object.assign(meta, ...bound);
    return held;
  }
}
