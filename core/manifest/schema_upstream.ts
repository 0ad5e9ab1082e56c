/** Services that are called. */
import { z } from "zod";
import { etcd, zookeeper } from "./schema_store.ts";
import {
  defaulted,
  exactlyOne,
  integer,
  isGiven,
  name,
  oneOrMore,
  optional,
  required,
  section,
  shaped,
  text,
} from "./terms.ts";
import { duration, share, size } from "./terms_quantity.ts";
import { clientTls } from "./schema_common.ts";
import { framing } from "./schema_framing.ts";
import { existing, path, secret } from "./terms_path.ts";
import { endpoint, peerAddress } from "./terms_address.ts";
import { zmqUpstream } from "./schema_zmq.ts";

const staticEndpoint = () =>
  z.union([
    peerAddress(),
    z.strictObject({
      address: required(peerAddress(), "Address of the endpoint."),
      weight: defaulted(
        z.number().positive().max(1000),
        1,
        "Share of the traffic in relation to the others.",
      ),
      role: optional(name(), "Role, for example replica; calls may ask for one."),
      priority: defaulted(
        integer(0, 100),
        0,
        "Endpoints of the lowest number that has usable ones get the traffic; the others stand by.",
      ),
    }),
  ]).transform((value) =>
    "address" in value ? value : { address: value, weight: 1, role: null, priority: 0 }
  );

const discover = () =>
  exactlyOne({
    static: required(
      z.array(staticEndpoint()).min(1),
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
    etcd: required(etcd(), "Endpoints below a prefix of etcd."),
    zookeeper: required(zookeeper(), "Endpoints below a node of ZooKeeper."),
    listen: required(
      oneOrMore(endpoint()),
      "Nowhere: the other sides connect to these endpoints, which one worker binds (zmq).",
    ),
    registry: required(name(), "A service registered in whatever governance.store is."),
  });

const hashKey = () =>
  shaped(
    /^(?:address|client|path|header:[A-Za-z0-9-]+)$/,
    "`header:<name>`, `address`, `client` or `path`",
  );

const balance = () =>
  z.union([
    z.enum(["p2c", "leastRequests", "roundRobin", "random"]),
    z.strictObject({
      ringHash: required(
        z.strictObject({
          key: required(hashKey(), "What is hashed: header:<name>, address, client or path."),
        }),
        "The same key goes to the same endpoint.",
      ),
    }),
  ]);

const probe = () =>
  z.strictObject({
    path: defaulted(
      shaped(/^\/\S*$/, "a path that begins with `/`"),
      "/healthz",
      "Path that is asked (http).",
    ),
    send: optional(
      text("a frame"),
      "Frame that is sent, any reply is a good one; without it a connection is enough (frames).",
    ),
    every: defaulted(duration({ min: "10ms" }), "5s", "Time between probes."),
    timeout: defaulted(duration({ positive: true }), "1s", "Longest time of one probe."),
    rise: defaulted(integer(1), 2, "Good probes in a row that make an endpoint healthy."),
    fall: defaulted(integer(1), 3, "Bad probes in a row that make it unhealthy."),
  }).refine((value) => value.timeout <= value.every, {
    path: ["timeout"],
    error: "must not be longer than `every`",
  });

const eject = () =>
  z.union([
    z.literal(false),
    z.strictObject({
      consecutive: defaulted(integer(1), 5, "Failures in a row that put an endpoint aside."),
      base: defaulted(
        duration({ positive: true }),
        "10s",
        "First time aside; doubles with every further one.",
      ),
      max: defaulted(duration({ positive: true }), "5m", "Longest time aside."),
      share: defaulted(share({ positive: true }), "50%", "At most this share of the endpoints is put aside."),
    }).refine((value) => value.base <= value.max, { path: ["base"], error: "must not be longer than `max`" }),
  ]).transform((value) => value === false ? null : value);

/** What protocols cannot do without. */
const ownSections = [
  {
    protocol: "frames",
    key: "framing",
    message: "must say where a frame ends: `framing` is required with protocol frames",
  },
  {
    protocol: "thrift",
    key: "thrift",
    message: "must say what is called: `thrift`, with its `idl`, is required with protocol thrift",
  },
] as const;

export const upstream = section(() =>
  z.strictObject({
    protocol: required(z.enum(["http", "thrift", "redis", "frames", "zmq"]), "Protocol that is spoken."),
    discover: required(discover(), "Where the endpoints come from."),
    required: defaulted(
      z.boolean(),
      false,
      "Whether a worker is ready only once it has a connection to an endpoint of it.",
    ),
    framing: optional(framing(), "Where one frame ends and the next begins (frames)."),
    pattern: defaulted(
      z.enum(["requestReply", "oneWay"]),
      "requestReply",
      "requestReply: one reply per frame, in order. oneWay: no replies (frames).",
    ),
    redis: defaulted(
      z.strictObject({
        username: optional(text("a user name"), "User name (ACL)."),
        password: optional(secret(), "Password."),
        database: defaulted(integer(0, 65_535), 0, "Number of the database."),
      }),
      {},
      "How to log in (redis).",
    ),
    thrift: optional(
      z.strictObject({
        idl: required(existing("file", "a Thrift IDL"), "The Thrift IDL that declares the service."),
        service: optional(
          shaped(/^[A-Za-z_][A-Za-z0-9_.]*$/, "the name of a service in the IDL"),
          "Name of the service in the IDL; the last one unless given.",
        ),
        transport: defaulted(
          z.enum(["buffered", "framed"]),
          "buffered",
          "framed: messages stand behind their length. buffered: they do not.",
        ),
        protocol: defaulted(z.enum(["binary", "compact"]), "binary", "How values are encoded."),
        tracking: defaulted(
          z.boolean(),
          true,
          "Shake hands for tracking on new connections; endpoints that know nothing of it work too.",
        ),
        client: optional(
          shaped(/^[\x21-\x7e]{1,128}$/, "a name without blanks"),
          "Name that this service gives itself in the handshake; the name of the service unless given.",
        ),
        multiplex: defaulted(
          integer(1, 4096),
          64,
          "Calls at once on one connection, before a further one is opened; 1 for endpoints that do one after the other.",
        ),
        ping: optional(
          shaped(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a method"),
          "Method without arguments that probes and heartbeats call; without it probes only connect.",
        ),
      }),
      "What is called, and how it is encoded (thrift).",
    ),
    zmq: defaulted(zmqUpstream(), {}, "Sockets and messages (zmq)."),
    http2: defaulted(z.boolean(), false, "Speak HTTP/2 to the endpoints (http)."),
    limits: defaulted(
      z.strictObject({
        head: defaulted(size({ min: "256B" }), "64KiB", "Longest head of a reply (http)."),
        reply: defaulted(
          size({ positive: true }),
          "64MiB",
          "Longest reply that is held in memory as a whole; streamed bodies have no limit.",
        ),
      }),
      {},
      "Sizes of replies; a longer one is a protocol error.",
    ),
    balance: defaulted(
      balance(),
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
        waiters: defaulted(integer(0), 1024, "Calls that may wait for a connection, per endpoint."),
        heartbeat: defaulted(
          duration(),
          "25s",
          "An idle connection is asked whether it lives after this, where the protocol can; 0 = never.",
        ),
      }).refine((value) => value.warm <= value.connections, {
        path: ["warm"],
        error: "must not be above `connections`",
      }),
      {},
      "Connections.",
    ),
    health: defaulted(
      z.strictObject({
        probe: optional(probe(), "Ask endpoints whether they are well."),
        eject: defaulted(eject(), {}, "Put endpoints aside that fail (passive); false = never."),
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
        body: defaulted(
          duration({ positive: true }),
          "60s",
          "Longest pause within the body of a reply that comes in pieces (`http`).",
        ),
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
        budget: defaulted(
          share({ positive: true }),
          "20%",
          "Retries may be at most this share of the calls.",
        ),
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
      }).refine((value) => value.queue === 0 || value.wait > 0, {
        path: ["wait"],
        error:
          "must be more than zero where there is a queue: nobody could wait in it (set `queue: 0` to refuse at once)",
      }),
      "Call no more than this at once.",
    ),
    fallback: optional(name(), "Upstream used when this one has no usable endpoint."),
    tls: clientTls("Speak TLS."),
  }).check(z.check((payload) => {
    const value = payload.value as Record<string, unknown>;
    if (payload.issues.length > 0) return;
    for (const { protocol, key, message } of ownSections) {
      if (value.protocol !== protocol || value[key]) continue;
      payload.issues.push({ code: "custom", message, input: payload.value });
    }
  })).meta({
    allOf: ownSections.map(({ protocol, key }) => ({
      anyOf: [{ not: { properties: { protocol: { const: protocol } } } }, isGiven(key)],
    })),
  })
);
