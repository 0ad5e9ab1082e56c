/**
 * Entry of the governor process: meta pages, log rotation, and the endpoints of upstreams, watched once for all workers.
 * Parsers and clients of name services are loaded only where a plan needs them.
 */
import { runGovernor } from "./meta/governor.ts";

await runGovernor({
  watchEndpoints: async () => (await import("./governance/discovery/mod.ts")).watchEndpoints,
});
