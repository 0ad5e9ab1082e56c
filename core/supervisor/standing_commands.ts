/**
 * What operators have told the upstreams and has not been taken back: a worker that starts later must hear it too, or a
 * replacement would send traffic where somebody has just stopped it. In memory: a restart of the service forgets it.
 */
import type { UpstreamCommand } from "../control.ts";

const most = 1000;

/** See the module's header. */
export class StandingCommands {
  readonly #commands = new Map<string, UpstreamCommand>();

  /** Takes a command to heart; false where too many stand already. */
  take(command: UpstreamCommand): boolean {
    const { upstream, action, endpoint, breaker } = command;
    const ofEndpoint = action === "eject" || action === "restore";
    const prefix = JSON.stringify([upstream, ofEndpoint]);
    const key = prefix + (ofEndpoint ? endpoint : breaker);
    const ends = action === "restore" || action === "auto";
    if (!ends && !this.#commands.has(key) && this.#commands.size >= most) return false;
    // A word about all breakers replaces what was said about single ones.
    if (!ofEndpoint && breaker === "") {
      for (const known of this.#commands.keys()) if (known.startsWith(prefix)) this.#commands.delete(known);
    }
    this.#commands.delete(key);
    if (!ends || (action === "auto" && breaker !== "" && this.#commands.has(prefix))) {
      this.#commands.set(key, command);
    }
    return true;
  }

  /** Those that concern `upstreams`, in the order in which they were given. */
  of(upstreams: object): UpstreamCommand[] {
    return [...this.#commands.values()].filter(({ upstream }) => Object.hasOwn(upstreams, upstream));
  }
}
