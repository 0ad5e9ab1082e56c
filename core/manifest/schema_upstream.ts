/** The sections around the listeners: upstreams, streams, logs, governance, telemetry, meta. */
import { z } from "zod";
import {
  absolute,
  byName,
  defaulted,
  duration,
  exactlyOne,
  existing,
  integer,
  isGiven,
  listenAddress,
  name,
  oneOrMore,
  optional,
  path,
  peerAddress,
  required,
  secret,
  shaped,
  share,
  size,
  text,
} from "./terms.ts";

const etcd = z.strictObject({
  endpoints: required(z.array(peerAddress()).min(1), "etcd servers."),
  prefix: defaulted(text("a key prefix"), "/weir/", "Prefix of all keys."),
  user: optional(text("a user name"), "User name."),
  password: optional(secret(), "Password."),
});

const zookeeper = z.strictObject({
  connect: required(
    shaped(
      /^[^\s,/]+:[0-9]{1,5}(?:,[^\s,/]+:[0-9]{1,5})*$/,
      "servers such as `127.0.0.1:2181` or `zk1:2181,zk2:2181`",
    ),
    "ZooKeeper servers, separated by commas.",
  ),
  path: defaulted(
    shaped(/^\/\S*$/, "a path that begins with `/`"),
    "/weir",
    "Node below which everything is.",
  ),
  auth: optional(secret(), "`user:password` for digest authentication."),
});

const staticEndpoint = z.union([
  peerAddress(),
  z.strictObject({
    address: required(peerAddress(), "Address of the endpoint."),
    weight: defaulted(z.number().positive().max(1000), 1, "Share of the traffic in relation to the others."),
    role: optional(name(), "Role, for example replica; calls may ask for one."),
  }),
]).transform((value) => "address" in value ? value : { address: value, weight: 1, role: null });

const discover = exactlyOne({
  static: required(
    z.array(staticEndpoint).min(1),
    "Endpoints, written down: addresses or `{ address, weight, role }`.",
  ),
  dns: required(
    z.strictObject({
      name: optional(text("a host name"), "Name whose A and AAAA records are the endpoints."),
      port: optional(integer(1, 65_535), "Port of the endpoints; SRV records bring their own."),
      srv: optional(text("the name of an SRV record"), "Name whose SRV records are the endpoints."),
      every: defaulted(duration({ min: "100ms" }), "5s", "Time between questions."),
    }).check(z.check((payload) => {
      const { name, port, srv } = payload.value;
      const given = name !== null && port !== null
        ? srv === null
        : srv !== null && name === null && port === null;
      if (given) return;
      payload.issues.push({
        code: "custom",
        message: "must have either `name` and `port`, or `srv`",
        input: payload.value,
      });
    })).meta({
      oneOf: [
        { allOf: [isGiven("name"), isGiven("port"), { not: isGiven("srv") }] },
        { allOf: [isGiven("srv"), { not: isGiven("name") }, { not: isGiven("port") }] },
      ],
    }),
    "Endpoints from DNS.",
  ),
  file: required(path(), "A YAML file of endpoints; watched."),
  etcd: required(etcd, "Endpoints below a prefix of etcd."),
  zookeeper: required(zookeeper, "Endpoints below a node of ZooKeeper."),
  registry: required(name(), "A service registered in whatever governance.store is."),
});

const hashKey = shaped(
  /^(?:address|client|path|header:[A-Za-z0-9-]+)$/,
  "`header:<name>`, `address`, `client` or `path`",
);

const balance = z.union([
  z.enum(["p2c", "leastRequests", "roundRobin", "random"]),
  z.strictObject({
    ringHash: required(
      z.strictObject({ key: required(hashKey, "What is hashed: header:<name>, address, client or path.") }),
      "The same key goes to the same endpoint.",
    ),
  }),
]);

const probe = z.strictObject({
  path: defaulted(shaped(/^\/\S*$/, "a path that begins with `/`"), "/healthz", "Path that is asked (http)."),
  every: defaulted(duration({ min: "10ms" }), "5s", "Time between probes."),
  timeout: defaulted(duration({ positive: true }), "1s", "Longest time of one probe."),
  rise: defaulted(integer(1), 2, "Good probes in a row that make an endpoint healthy."),
  fall: defaulted(integer(1), 3, "Bad probes in a row that make it unhealthy."),
}).refine((value) => value.timeout <= value.every, {
  path: ["timeout"],
  error: "must not be longer than `every`",
});

const eject = z.union([
  z.literal(false),
  z.strictObject({
    consecutive: defaulted(integer(1), 5, "Failures in a row that put an endpoint aside."),
    base: defaulted(duration({ positive: true }), "10s", "First time aside; doubles with every further one."),
    max: defaulted(duration({ positive: true }), "5m", "Longest time aside."),
    share: defaulted(share({ positive: true }), "50%", "At most this share of the endpoints is put aside."),
  }).refine((value) => value.base <= value.max, { path: ["base"], error: "must not be longer than `max`" }),
]).transform((value) => value === false ? null : value);

export const upstream = z.strictObject({
  protocol: required(z.enum(["http", "thrift", "redis", "frames", "zmq"]), "Protocol that is spoken."),
  discover: required(discover, "Where the endpoints come from."),
  balance: defaulted(
    balance,
    "p2c",
    "p2c (peak EWMA), leastRequests, roundRobin, random, or `{ ringHash: { key: header:x-user } }`.",
  ),
  pool: defaulted(
    z.strictObject({
      connections: defaulted(integer(1), 8, "Connections per endpoint and worker."),
      pipeline: defaulted(integer(1), 1, "Requests at once on one connection."),
      idle: defaulted(duration({ positive: true }), "60s", "Unused connections are closed after this."),
      age: defaulted(duration(), "10m", "Connections are replaced at this age; 0 = never."),
      wait: defaulted(duration(), "100ms", "Longest time to wait for a free connection."),
      warm: defaulted(integer(0), 1, "Connections that are kept open before they are needed."),
    }).refine((value) => value.warm <= value.connections, {
      path: ["warm"],
      error: "must not be above `connections`",
    }),
    {},
    "Connections.",
  ),
  health: defaulted(
    z.strictObject({
      probe: optional(probe, "Ask endpoints whether they are well."),
      eject: defaulted(eject, {}, "Put endpoints aside that fail (passive); false = never."),
      slowStart: defaulted(
        duration(),
        "10s",
        "A new endpoint gets its full share of the traffic after this.",
      ),
      panic: defaulted(share(), "50%", "With fewer healthy than this, health is ignored."),
    }),
    {},
    "Which endpoints are used.",
  ),
  timeouts: defaulted(
    z.strictObject({
      connect: defaulted(duration({ positive: true }), "250ms", "To connect."),
      attempt: defaulted(duration({ positive: true }), "1s", "For one attempt."),
      total: defaulted(duration({ positive: true }), "3s", "For the call with all its attempts."),
    }).refine((value) => value.attempt <= value.total, {
      path: ["attempt"],
      error: "must not be longer than `total`",
    })
      .refine((value) => value.connect <= value.total, {
        path: ["connect"],
        error: "must not be longer than `total`",
      }),
    {},
    "Longest times.",
  ),
  retry: optional(
    z.strictObject({
      attempts: defaulted(integer(1, 10), 2, "Attempts, the first one included."),
      on: defaulted(
        z.array(z.union([z.enum(["connect", "refused", "reset", "timeout"]), integer(400, 599)], {
          error: "must be `connect`, `refused`, `reset`, `timeout` or a status from 400 to 599",
        })).min(1),
        ["connect", "refused", 502, 503],
        "What is tried again.",
      ),
      budget: defaulted(share({ positive: true }), "20%", "Retries may be at most this share of the calls."),
      backoff: defaulted(duration(), "25ms", "Wait before the second attempt; doubles, with jitter."),
    }),
    "Try again.",
  ),
  hedge: optional(
    z.strictObject({
      after: defaulted(
        z.union([shaped(/^p(?:[1-9][0-9]?(?:\.[0-9]+)?)$/, "a percentile"), duration({ positive: true })], {
          error: (issue) =>
            issue.input === 0 || typeof issue.input !== "string"
              ? "must be a percentile such as `p99` or a duration such as `50ms`"
              : "must be a percentile such as `p99` or a duration such as `50ms`",
        }).transform((value) =>
          typeof value === "number" ? value : { percentile: Number(value.slice(1)) / 100 }
        ),
        "p99",
        "A second attempt starts when the first takes longer than this: a percentile of what was seen, or a duration.",
      ),
      budget: defaulted(
        share({ positive: true }),
        "1%",
        "Second attempts may be at most this share of the calls.",
      ),
    }),
    "Ask a second endpoint when the first is slow.",
  ),
  breaker: optional(
    z.strictObject({
      window: defaulted(duration({ min: "100ms" }), "10s", "Time that is looked at."),
      minimum: defaulted(integer(1), 20, "Calls in it before anything is concluded."),
      failures: defaulted(share({ positive: true }), "50%", "Share of failures that opens the breaker."),
      open: defaulted(duration({ positive: true }), "5s", "How long it stays open before it probes."),
      probes: defaulted(integer(1), 3, "Good probes that close it."),
      per: defaulted(
        z.enum(["upstream", "method", "endpoint"]),
        "upstream",
        "What has a breaker of its own.",
      ),
    }),
    "Stop calling what fails.",
  ),
  throttle: optional(
    z.strictObject({
      concurrency: defaulted(integer(1), 64, "Calls at once."),
      queue: defaulted(integer(0), 256, "Calls that may wait."),
      wait: defaulted(duration(), "100ms", "Longest wait."),
    }),
    "Call no more than this at once.",
  ),
  fallback: optional(name(), "Upstream used when this one has no usable endpoint."),
  tls: optional(
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
    "Speak TLS.",
  ),
});

export const stream = z.strictObject({
  kafka: required(
    z.strictObject({
      brokers: required(z.array(peerAddress()).min(1), "Brokers to begin with."),
      topic: required(text("the name of a topic"), "Topic that is written."),
      acks: defaulted(
        z.enum(["all", "leader", "none"]),
        "all",
        "Who must have a record before it counts as sent.",
      ),
      compression: defaulted(
        z.enum(["none", "gzip", "snappy", "lz4", "zstd"]),
        "gzip",
        "Compression of batches.",
      ),
      idempotent: defaulted(z.boolean(), true, "No record is written twice."),
    }),
    "Where records go.",
  ),
  spool: defaulted(
    z.strictObject({
      directory: defaulted(
        path("the path of a folder"),
        "./spool",
        "Folder of the spool; made when it is not there.",
      ),
      max: defaulted(size({ min: "64KiB" }), "1GiB", "Most the spool may hold."),
      full: defaulted(z.enum(["block", "reject", "dropOldest"]), "block", "What happens when it is full."),
      sync: defaulted(duration(), "1s", "Records are safe on disk after at most this; 0 = each one."),
    }),
    {},
    "Where records wait on disk.",
  ),
  codec: defaulted(z.enum(["json", "msgpack", "raw"]), "json", "How records are encoded."),
});

export const levels = ["trace", "debug", "info", "warning", "error", "fatal"] as const;
const level = z.enum(levels);

const facilities = [
  ..."kern user mail daemon auth syslog lpr news uucp cron authpriv ftp".split(" "),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => `local${number}`),
] as [string, ...string[]];

/** Where datagrams go. */
function target(schemes: string, defaultPort: number, expected: string) {
  const pattern = new RegExp(
    `^(?:(?:${schemes})://(?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?|unix:.+)$`,
  );
  return shaped(pattern, expected).transform((value) => {
    const [, scheme, rest] = /^([a-z]+):(?:\/\/)?(.+)$/.exec(value)!;
    if (scheme === "unix") return { transport: "unix" as const, path: absolute(rest) };
    const [, hostname, port] = /^(.*?)(?::([0-9]+))?$/.exec(
      rest.replace(/^\[(.*)\]/, (_, inner) => inner.replaceAll(":", "\0")),
    )!;
    return {
      transport: scheme as "udp" | "tcp",
      hostname: hostname.replaceAll("\0", ":"),
      port: port === undefined ? defaultPort : Number(port),
    };
  });
}

const sink = exactlyOne({
  file: required(
    path("the path of a file"),
    "A file; opened again on SIGUSR2.",
  ),
  syslog: required(
    target("udp|tcp", 514, "a syslog address such as `udp://127.0.0.1:514` or `unix:/dev/log`"),
    "A syslog server: udp://host:port, tcp://host:port or unix:path.",
  ),
}, {
  rotate: defaulted(
    z.strictObject({
      size: defaulted(size(), "100MiB", "A file of this size is put aside; 0 = never."),
      keep: defaulted(integer(0, 10_000), 7, "Files kept aside."),
    }),
    {},
    "When a file is put aside (file sinks).",
  ),
  facility: defaulted(z.enum(facilities), "local0", "Facility (syslog sinks)."),
});

export const logs = defaulted(
  z.strictObject({
    level: defaulted(level, "info", "Least level that is logged."),
    format: defaulted(
      z.enum(["auto", "human", "json"]),
      "auto",
      "Of the console; auto = human on a terminal, json otherwise.",
    ),
    sinks: defaulted(byName(sink), {}, "Where lines can go, beside `console`, which is always there."),
    routes: defaulted(
      z.array(z.strictObject({
        match: defaulted(
          shaped(/^[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*-]+)*$/, "a logger name such as `access.*` or `**`"),
          "**",
          "Logger names: `*` is one part, `**` any number of them.",
        ),
        level: defaulted(level, "trace", "Least level this route takes."),
        to: required(z.array(name()).min(1), "Sinks that get the line."),
        only: defaulted(z.boolean(), false, "true: lines of this route go nowhere else."),
      })),
      [],
      "By logger name and level; every matching route gets the line. Everything goes to the console where no route says `only`.",
    ),
    redact: defaulted(
      z.array(text("a field name or a pattern")),
      ["authorization", "cookie", "set-cookie", "*.password", "*.token", "*.secret"],
      "Fields whose values are never written.",
    ),
  }),
  {},
  "What is logged, and where to.",
);

export const governance = optional(
  z.strictObject({
    store: optional(
      exactlyOne({
        zookeeper: required(zookeeper, "ZooKeeper."),
        etcd: required(etcd, "etcd."),
        file: required(path("the path of a folder"), "A folder, for one machine."),
      }),
      "Where registry, configuration, switches and leadership live.",
    ),
    register: defaulted(
      z.array(name()),
      [],
      "Listeners announced in the registry when ready and probed; withdrawn before drain.",
    ),
    config: optional(
      z.strictObject({
        defaults: optional(existing("file", "a configuration file"), "YAML file of default values."),
      }),
      "Configuration for handlers, layered: defaults < app < cluster.",
    ),
    switches: defaulted(
      byName(z.union([z.boolean(), share()], { error: (issue) => switchError(issue.input) })),
      {},
      "Switches and the share of traffic for which each is on: `10%`, true or false.",
    ),
    cache: defaulted(
      path("the path of a folder"),
      "./var/governance",
      "Last good copy on disk: the service starts when the store is down.",
    ),
  }),
  "Registry, configuration and switches.",
);

function switchError(input: unknown): string {
  const bare = typeof input === "number" || (typeof input === "string" && /^[0-9.]+$/.test(input));
  return bare
    ? `must be \`true\`, \`false\` or a share\u0001${input}%`
    : "must be `true`, `false` or a share such as `10%`";
}

export const telemetry = optional(
  z.strictObject({
    statsd: optional(
      target("udp", 8125, "a statsd address such as `udp://127.0.0.1:8125`"),
      "statsd server.",
    ),
    otlp: optional(
      shaped(/^https?:\/\/[^\s/]+\S*$/, "a URL such as `http://127.0.0.1:4318`"),
      "OpenTelemetry collector (OTLP over HTTP).",
    ),
  }),
  "Where statistics and traces are sent.",
);

const metaListen = defaulted(
  oneOrMore(listenAddress()),
  "127.0.0.1:9901",
  "Where the meta pages listen.",
);

export const meta = defaulted(
  z.union([
    z.literal(false),
    z.strictObject({
      listen: metaListen,
      token: optional(
        z.union([z.literal(""), secret()]).transform((value) => value === "" ? null : value),
        "Required for POSTs, and for everything when not on loopback.",
      ),
    }),
  ]).transform((value) => value === false ? null : value),
  {},
  "Pages and metrics about the service; false = none.",
);
