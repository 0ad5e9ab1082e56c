/**
 * What operators have said about an upstream, carried out in this worker: endpoints out of use and back, breakers held.
 * Remembers it for endpoints and breakers that come later; the supervisor remembers it for workers that do.
 */
import type { UpstreamCommand } from "../control.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Breaker, Breakers, Health } from "./contract.ts";

/** What it acts on. */
export interface Operated {
  readonly name: string;
  /** By identity. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly health: Pick<Health, "eject" | "restore">;
  readonly breakers: Breakers | undefined;
}

type Forced = "open" | "closed";

/** See the module's header. */
export class OperatorWord {
  readonly #ejected = new Map<string, string>();
  /** What holds for all breakers of the upstream, and those that know of it. */
  #all: { state: Forced; reason: string } | undefined;
  #told = new WeakSet<Breaker>();

  /** Does what the command says; what is not there (yet) is done when it comes. */
  obey({ action, endpoint: key, breaker, reason }: UpstreamCommand, target: Operated): void {
    const endpoint = target.endpoints.get(key);
    switch (action) {
      case "eject":
        this.#ejected.set(key, reason);
        if (endpoint) target.health.eject(endpoint, reason);
        return;
      case "restore":
        this.#ejected.delete(key);
        if (endpoint) target.health.restore(endpoint, reason);
        return;
      default:
        this.#force(action === "close" ? "closed" : action, breaker, reason, target);
    }
  }

  /** Endpoints have come: those that were ejected by hand before stay out of use. Call it after `health.update`. */
  added(endpoints: readonly Endpoint[], { health }: Operated): void {
    if (this.#ejected.size === 0) return;
    for (const endpoint of endpoints) {
      const reason = this.#ejected.get(endpoint.key);
      if (reason !== undefined) health.eject(endpoint, reason);
    }
  }

  /** Breakers that were made since all were told are told too; once a second is enough. */
  tick({ breakers }: Operated): void {
    if (!this.#all || !breakers) return;
    for (const breaker of breakers.list()) {
      if (this.#told.has(breaker)) continue;
      this.#told.add(breaker);
      breaker.force(this.#all.state, this.#all.reason);
    }
  }

  #force(state: Forced | "auto", key: string, reason: string, { name, breakers }: Operated): void {
    if (!breakers) return;
    if (key !== "") {
      const breaker = breakers.of(key);
      // Said about this one in particular: what holds for all does not touch it again.
      this.#told.add(breaker);
      return breaker.force(state, reason);
    }
    this.#all = state === "auto" ? undefined : { state, reason };
    this.#told = new WeakSet();
    // The one of a whole upstream is made by the first call; an operator may come before it.
    if (breakers.per === "upstream") breakers.of(name);
    for (const breaker of breakers.list()) {
      this.#told.add(breaker);
      breaker.force(state, reason);
    }
  }
}
