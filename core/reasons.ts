/**
 * The one table of reasons: who ended a connection or a request, in which phase, and what that looks like outside.
 * Responses, log lines, metrics and meta pages all carry the same code. Nothing ends without one of these.
 */

/** Who caused an end. */
export type Party = "client" | "service" | "upstream" | "operator";

/** One row: `status` is the HTTP status where there is a response, 0 where the connection is simply closed. */
export interface ReasonRow {
  readonly party: Party;
  readonly phase:
    | "connect"
    | "tls"
    | "head"
    | "body"
    | "queue"
    | "handler"
    | "upstream"
    | "response"
    | "idle"
    | "drain";
  readonly status: number;
  /** One sentence for people. */
  readonly text: string;
}

const row = (party: Party, phase: ReasonRow["phase"], status: number, text: string): ReasonRow => ({
  party,
  phase,
  status,
  text,
});

/** Every reason by its code. Codes are stable: dashboards and clients match on them. */
export const reasons = {
  ok: row("service", "response", 200, "answered"),
  // connections
  connections_full: row("service", "connect", 0, "the listener holds as many connections as it may"),
  address_full: row("service", "connect", 0, "this address holds as many connections as it may"),
  tls_failed: row("client", "tls", 0, "the TLS handshake failed"),
  tls_timeout: row("client", "tls", 0, "the TLS handshake took too long"),
  first_byte_timeout: row("client", "connect", 0, "the connection never said anything"),
  head_timeout: row("client", "head", 408, "the request head took too long"),
  body_timeout: row("client", "body", 408, "the request body took too long"),
  write_timeout: row("client", "response", 0, "the client did not read its answer"),
  idle_timeout: row("client", "idle", 0, "no further request on this connection"),
  age_reached: row("service", "idle", 0, "the connection reached its age"),
  client_closed: row("client", "idle", 0, "the client closed the connection"),
  client_reset: row("client", "idle", 0, "the client reset the connection"),
  protocol_error: row("client", "head", 400, "the bytes do not follow the protocol"),
  drain: row("operator", "drain", 0, "the worker is draining"),
  // requests
  head_too_large: row("client", "head", 431, "the request head is larger than allowed"),
  url_too_long: row("client", "head", 414, "the URL is longer than allowed"),
  body_too_large: row("client", "body", 413, "the message is larger than allowed"),
  bad_request: row("client", "head", 400, "the request makes no sense"),
  no_route: row("client", "head", 404, "no route matches"),
  method_not_allowed: row("client", "head", 405, "the route does not take this method"),
  forbidden: row("client", "head", 403, "access is denied"),
  rate_limited: row("client", "head", 429, "too many requests"),
  queue_full: row("service", "queue", 503, "as many requests run and wait as may"),
  queue_timeout: row("service", "queue", 503, "the request waited too long to be served"),
  draining: row("operator", "drain", 503, "the service is stopping"),
  deadline: row("service", "handler", 504, "the deadline passed"),
  client_left: row("client", "handler", 499, "the client left before the answer"),
  handler_error: row("service", "handler", 500, "the handler failed"),
  pool_full: row("service", "queue", 503, "the thread pool's queue is full"),
  pool_timeout: row("service", "handler", 504, "the pool's time limit passed"),
  pool_lost: row("service", "handler", 500, "the pool thread was lost while it ran this request"),
  // calls to upstreams
  upstream_connect: row("upstream", "upstream", 503, "no connection to the upstream"),
  upstream_timeout: row("upstream", "upstream", 504, "the upstream did not answer in time"),
  upstream_reset: row(
    "upstream",
    "upstream",
    502,
    "the upstream ended the connection before its reply was complete",
  ),
  upstream_protocol: row("upstream", "upstream", 502, "the upstream's reply does not follow the protocol"),
  upstream_failed: row("upstream", "upstream", 502, "the upstream answered that it failed"),
  upstream_unavailable: row("upstream", "upstream", 503, "no endpoint of the upstream can be used"),
  upstream_full: row("service", "upstream", 503, "no free connection to the upstream in time"),
  upstream_throttled: row("service", "upstream", 503, "as many calls to the upstream run and wait as may"),
  breaker_open: row("service", "upstream", 503, "the breaker of the upstream is open"),
  spool_full: row("service", "handler", 503, "the spool of the stream is full"),
  spool_failed: row("service", "handler", 500, "the disk did not take a record of the stream"),
  slot_leaked: row("service", "handler", 504, "the request held its slot far beyond its deadline"),
  no_upgrade: row("service", "head", 501, "this connection cannot switch to another protocol"),
} as const satisfies Record<string, ReasonRow>;

/** Reasons that say "not now": whoever can wait may try the same again. */
export const passingReasons: ReadonlySet<Reason> = new Set([
  "queue_full",
  "queue_timeout",
  "pool_full",
  "rate_limited",
  "draining",
]);

/** A code of the table. */
export type Reason = keyof typeof reasons;

/** All codes in a fixed order; {@link reasonIndex} is the position in it. */
export const reasonCodes: readonly Reason[] = Object.keys(reasons) as Reason[];

/** Position of each code in {@link reasonCodes}. */
export const reasonIndex: Readonly<Record<Reason, number>> = Object.fromEntries(
  reasonCodes.map((code, index) => [code, index]),
) as Record<Reason, number>;
