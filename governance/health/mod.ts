/**
 * Which endpoints are in use: passive ejection, active probes, what people say, and the way back. See
 * endpoint_health.ts for the rules. Each worker judges alone. Pure computation: the worker sends the probes.
 */
export { makeHealth } from "./endpoint_health.ts";
