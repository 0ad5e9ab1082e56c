/** Keys that several kinds of listeners share: how connections are accepted, work admitted, code run. */
import { z } from "zod";
import { resolution } from "./resolution.ts";
import { defaulted, integer, name, optional, required, section, shaped, text } from "./terms.ts";
import { duration, rate, size } from "./terms_quantity.ts";
import { checkNetwork } from "./terms_address.ts";
import { existing, handler } from "./terms_path.ts";

export const handlerKey = required(
  handler(),
  "Module whose default export serves this; `./file.ts#name` takes a named export.",
);

const acceptMode = z.enum(["reusePort", "handOff"]).transform((mode) =>
  // The same manifest runs everywhere: only Linux spreads connections over sockets of one port.
  resolution().platform === "linux" ? mode : "handOff"
);

const acceptShape = {
  mode: defaulted(
    acceptMode,
    () => resolution().platform === "linux" ? "reusePort" : "handOff",
    "reusePort: every worker accepts for itself (Linux). handOff: the supervisor accepts and the least-loaded worker serves; the default, and the only mode, elsewhere.",
  ),
  backlog: defaulted(
    integer(1, 65_535),
    511,
    "Connections the system keeps waiting to be accepted; the system's own limit may be lower.",
  ),
  connections: defaulted(
    integer(1),
    10_000,
    "Connections per worker; more are refused. Meta listeners are exempt.",
  ),
  perAddress: defaulted(integer(0), 0, "Connections per client address and worker; 0 = no limit."),
  firstByte: defaulted(
    duration({ positive: true }),
    "10s",
    "A connection that says nothing is closed after this.",
  ),
  headers: defaulted(
    duration({ positive: true }),
    "10s",
    "A request head that never ends is cut after this.",
  ),
  body: defaulted(
    duration({ positive: true }),
    "30s",
    "A request body, or the rest of a frame, that stops coming is cut after this.",
  ),
  idle: defaulted(duration({ positive: true }), "75s", "Keep-alive between requests."),
  age: defaulted(duration(), 0, "Polite close after this age, with 10 % jitter; 0 = never."),
};

export const accept = defaulted(
  z.strictObject(acceptShape),
  {},
  "How connections are accepted, and how long they may take.",
);

const concurrency = z.union([
  z.literal("auto"),
  integer(1),
  z.strictObject({
    auto: required(
      z.strictObject({
        floor: defaulted(integer(1), 16, "The limit never falls below this."),
        ceiling: defaulted(integer(1), 4096, "The limit never rises above this."),
      }).refine((auto) => auto.floor <= auto.ceiling, {
        path: ["floor"],
        error: "must not be above `ceiling`",
      }),
      "Bounds of the adaptive limit.",
    ),
  }),
]).transform((value) => value === "auto" ? { auto: { floor: 16, ceiling: 4096 } } : value);

export const admit = defaulted(
  z.strictObject({
    concurrency: defaulted(
      concurrency,
      1024,
      "Requests served at once per worker: a number, `auto` for a limit that follows latency, or `{ auto: { floor, ceiling } }`.",
    ),
    queue: defaulted(
      integer(0),
      512,
      "Requests that may wait behind the concurrency limit; 0 = refuse at once.",
    ),
    wait: defaulted(duration(), "100ms", "Longest time in that queue; past it the request is refused."),
  }).superRefine((value, context) => {
    if (value.queue > 0 && value.wait === 0) {
      context.addIssue({
        code: "custom",
        path: ["wait"],
        message:
          "must be more than zero where there is a queue: nobody could wait in it (set `queue: 0` to refuse at once)",
      });
    }
  }),
  {},
  "How much work is let in; what cannot be served soon is refused at once.",
);

export const run = defaulted(
  name(),
  "inline",
  "Which thread runs the handler: inline = the I/O thread, or the name of a pool.",
);

export const deadline = defaulted(
  duration({ positive: true }),
  "5s",
  "Time for one request; becomes ctx.signal and the budget of every upstream call.",
);

export const tls = optional(
  section(() =>
    z.strictObject({
      cert: required(existing("file", "a certificate"), "Certificate chain, PEM."),
      key: required(existing("file", "a private key"), "Private key, PEM."),
      clientCa: optional(
        existing("file", "a CA certificate"),
        "CA whose certificates clients must present (mutual TLS); off unless given.",
      ),
    })
  ),
  "Serve TLS; certificates are read again when they change.",
);

const accessRule = shaped(
  /^(?:client:.+|subject:.+|[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]*(?:\/[0-9]{1,3})?)$/,
  "a network such as `10.0.0.0/8`, `client:<name>` or `subject:<certificate subject>`",
).superRefine((value, context) => {
  if (!/^(?:client|subject):/.test(value)) checkNetwork(value, context);
});

export const access = optional(
  section(() =>
    z.strictObject({
      allow: defaulted(
        z.array(accessRule),
        [],
        "Who may: networks, client:<name> (as declared by the caller), subject:<common name of its certificate>; empty = everybody who is not denied.",
      ),
      deny: defaulted(z.array(accessRule), [], "Who may not; looked at first."),
      shadow: defaulted(z.boolean(), false, "true: log what would be refused, and refuse nothing."),
    })
  ),
  "Who may call: by address, certificate subject or declared client name.",
);

export const rateLimit = optional(
  section(() =>
    z.strictObject({
      limit: required(
        rate({ positive: true }),
        "Requests that are let through over time, for example 1000/s.",
      ),
      burst: optional(integer(1), "Requests that may come at once; what one second brings unless given."),
      per: defaulted(
        shaped(
          /^(?:service|address|client|header:[A-Za-z0-9-]+)$/,
          "`service`, `address`, `client` or `header:<name>`",
        ),
        "address",
        "What is counted separately: service, address, client or header:<name>.",
      ),
    }).transform((value) => ({ ...value, burst: value.burst ?? Math.max(1, Math.ceil(value.limit)) }))
  ),
  "Rate limit, counted over all workers of the host.",
);

/** Keys of every listener that has connections and code. */
export const servingKeys = { run, deadline, accept, admit };
/** Keys of listeners that can be guarded. */
export const guardKeys = { tls, access, rate: rateLimit };

export const loop = section(() =>
  z.strictObject({
    handler: handlerKey,
    every: required(
      duration({ min: "1ms" }),
      "Time from the start of one run to the start of the next; runs never overlap: beats that come while one runs are skipped.",
    ),
    on: defaulted(
      z.enum(["everyWorker", "oneWorker", "leader"]),
      "oneWorker",
      "Where it runs: everyWorker, oneWorker of this host, or the leader of the cluster (needs governance.store).",
    ),
    timeout: defaulted(
      duration(),
      "30s",
      "Longest time of one run; past it ctx.signal aborts and the run counts as failed. 0 = no limit, for one that goes on until ctx.signal aborts.",
    ),
    fatal: defaulted(z.boolean(), false, "true: a failed run ends its worker, which is then replaced."),
  })
);

export const pool = section(() =>
  z.discriminatedUnion("kind", [
    z.strictObject({
      kind: required(z.literal("cpu"), "cpu: threads for computing."),
      threads: defaulted(
        z.union([z.literal("auto"), integer(1, 1024)]).transform((value) =>
          value === "auto" ? resolution().cores : value
        ),
        "auto",
        "Threads per worker; auto = the cores this service may use.",
      ),
      ...poolKeys(256),
    }),
    z.strictObject({
      kind: required(z.literal("io"), "io: threads for code that blocks."),
      threads: defaulted(integer(1, 1024), 10, "Threads per worker."),
      ...poolKeys(1000),
    }),
  ])
);

function poolKeys(queue: number) {
  return {
    queue: defaulted(integer(0), queue, "Calls that may wait for a thread; more are refused."),
    heap: defaulted(
      size({ min: "8MiB" }),
      "256MiB",
      "Heap of one thread; a thread that eats more is lost and replaced.",
    ),
    timeout: defaulted(
      duration({ positive: true }),
      "30s",
      "Longest time of one call; past it the thread is replaced.",
    ),
  };
}

export const workers = defaulted(
  z.strictObject({
    count: defaulted(
      z.union([z.literal("auto"), integer(1, 1024)]).transform((value) =>
        value === "auto" ? resolution().cores : value
      ),
      "auto",
      "Worker processes; auto = the cores the control group grants.",
    ),
    memory: defaulted(
      size(),
      "512MiB",
      "RSS above this: a replacement is ready first, then this worker drains; 0 = never.",
    ),
    age: defaulted(duration(), 0, "Replace a worker at this age, with 10 % jitter; 0 = never."),
    requests: defaulted(
      integer(0),
      0,
      "Replace a worker after this many requests, with 10 % jitter; 0 = never.",
    ),
    hang: defaulted(
      duration({ min: "100ms" }),
      "2s",
      "Event loop silent this long: its stack is captured and logged, the worker replaced.",
    ),
    drain: defaulted(duration(), "15s", "Time that work in flight gets when a worker stops."),
    keepAccepting: defaulted(
      duration(),
      "0s",
      "After SIGTERM: not ready, still serving, because load balancers lag.",
    ),
    nice: defaulted(integer(-20, 19), 0, "Niceness of workers; governor and shipper run at +5 of it."),
  }),
  {},
  "The processes that serve.",
);

/** TLS of a side that connects. */
export const clientTls = (doc: string) =>
  optional(
    z.strictObject({
      ca: optional(
        existing("file", "a CA certificate"),
        "CA that signed the endpoints' certificates; the system's unless given.",
      ),
      cert: optional(existing("file", "a certificate"), "Certificate of this side (mutual TLS)."),
      key: optional(existing("file", "a private key"), "Private key of this side (mutual TLS)."),
      serverName: optional(
        text("a host name"),
        "Name the certificate must carry; the endpoint's own unless given.",
      ),
    }),
    doc,
  );
