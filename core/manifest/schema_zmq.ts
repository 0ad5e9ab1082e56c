/** ZeroMQ: the listener, and what is said of an upstream that speaks it. */
import { z } from "zod";
import { admit, deadline, handlerKey, rateLimit, run } from "./schema_common.ts";
import { defaulted, hasOne, integer, isGiven, name, oneOrMore, optional, required, shaped } from "./terms.ts";
import { endpoint } from "./terms_address.ts";
import { secret } from "./terms_path.ts";
import { duration, size } from "./terms_quantity.ts";

const publicKey = () =>
  shaped(/^[0-9A-Za-z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/, "a public key (40 characters, Z85)");

const ownKeys = {
  publicKey: required(publicKey(), "Public key of this side, Z85."),
  secretKey: required(secret(), "Secret key of this side, Z85."),
};

const serverKey = optional(
  publicKey(),
  "Public key of the other side, Z85; needed where this side dials out.",
);

const codec = defaulted(
  z.enum(["json", "msgpack", "raw"]),
  "json",
  "How messages are encoded; raw: bytes as they are.",
);

const signed = optional(
  z.strictObject({
    secret: required(secret(), "Key of the signature; both sides have the same."),
    window: defaulted(
      duration({ min: "100ms" }),
      "30s",
      "How far the clocks of both sides may differ; within it a message is taken once.",
    ),
    remembered: defaulted(
      integer(1000, 10_000_000),
      100_000,
      "Messages remembered so that none is taken twice; while more come in twice the window, they are refused.",
    ),
  }),
  "HMAC-SHA256 over each message; a message without a right one, or one that came before, is refused.",
);

const hwm = defaulted(
  z.strictObject({
    receive: defaulted(integer(1, 1_000_000), 1000, "Messages per connection that wait to be read."),
    send: defaulted(integer(1, 1_000_000), 1000, "Messages per connection that wait to be sent."),
  }),
  {},
  "High-water marks: a queue that is full makes the sender wait, or its messages lost where the pattern says so.",
);

const linger = defaulted(
  duration(),
  "1s",
  "How long messages that wait to be sent hold up the end of a socket; 0: not at all.",
);

export const zmqListener = z.strictObject({
  protocol: required(z.literal("zmq"), "ZeroMQ."),
  socket: required(
    z.enum(["rep", "router", "pull", "sub", "xsub", "pair", "dealer"]),
    "Kind of the socket. rep answers every message, many at once; router and dealer answer where the handler returns something.",
  ),
  listen: optional(
    oneOrMore(endpoint()),
    "Endpoints to bind: tcp://host:port, ipc://path, inproc://name (upstreams of the same worker). One worker has them, the others stand by.",
  ),
  connect: optional(
    z.union([
      name(),
      z.array(endpoint()).min(1),
      endpoint(),
    ], {
      error: (issue) =>
        Array.isArray(issue.input)
          ? undefined
          : "must be the name of an upstream, an endpoint such as `tcp://10.0.0.1:5555`, or a list of endpoints",
    })
      .transform((value) => typeof value === "string" || Array.isArray(value) ? value : [value]),
    "Dial out instead, every worker: endpoints, or the name of an upstream whose endpoints are followed.",
  ),
  handler: handlerKey,
  codec,
  topics: defaulted(
    z.array(z.string({ error: "must be text" })).min(1),
    [""],
    "Topics that are subscribed to, by how they begin; all unless given (sub, xsub).",
  ),
  curve: optional(
    z.strictObject({
      ...ownKeys,
      clientKeys: defaulted(
        z.array(publicKey()),
        [],
        "Public keys of the clients that may connect; empty = everybody who knows our public key (listen).",
      ),
      serverKey,
    }),
    "CURVE encryption: the side that listens is the server.",
  ),
  signed,
  hwm,
  linger,
  limits: defaulted(
    z.strictObject({
      message: defaulted(
        size({ min: "256B" }),
        "1MiB",
        "Longest message; who sends a longer one is disconnected.",
      ),
    }),
    {},
    "Sizes of messages.",
  ),
  run,
  deadline,
  admit,
  rate: rateLimit,
}).check(hasOne(["listen", "connect"])).meta({ oneOf: ["listen", "connect"].map(isGiven) });

/** `zmq` of an upstream. */
export const zmqUpstream = () =>
  z.strictObject({
    socket: defaulted(
      z.enum(["dealer", "req", "push", "pub", "xpub", "pair", "none"]),
      "dealer",
      "Kind of the sockets, one per endpoint. dealer: request and survey, many at once. req: request, one at a time. " +
        "push, pair: send. pub, xpub: publish. none: the endpoints are for `connect` of listeners alone.",
    ),
    codec,
    curve: optional(z.strictObject({ ...ownKeys, serverKey }), "CURVE encryption."),
    signed,
    hwm,
    linger,
  });
