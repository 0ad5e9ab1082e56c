/**
 * What a worker is built with. Server filters stand in request order; each says itself why it stands where it stands.
 * This list is the only registration there is.
 */
import { admit } from "./governance/admit/mod.ts";
import { frames } from "./protocols/frames/mod.ts";
import { http } from "./protocols/http/mod.ts";

/** Every protocol that listeners can speak. */
export const protocols = [http, frames] as const;

/** Every filter between a listener and its handlers, outermost first. */
export const serverFilters = [admit] as const;
