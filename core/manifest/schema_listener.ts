/** The listeners: one strict map per protocol, told apart by `protocol`. */
import { z } from "zod";
import { guardKeys, handlerKey, servingKeys } from "./schema_common.ts";
import {
  defaulted,
  hasOne,
  integer,
  isGiven,
  name,
  oneOrMore,
  optional,
  required,
  section,
  shaped,
} from "./terms.ts";
import { framing } from "./schema_framing.ts";
import { duration, size } from "./terms_quantity.ts";
import { existing, handler } from "./terms_path.ts";
import { listenAddress, network } from "./terms_address.ts";
import { kafkaListener } from "./schema_kafka.ts";
import { zmqListener } from "./schema_zmq.ts";

const listen = required(
  oneOrMore(listenAddress()),
  "Where it listens: `host:port`, `[::]:port`, `unix:./path`, or a list of these; port 0 takes any free port.",
);

const match = () =>
  z.strictObject({
    path: optional(
      shaped(
        /^\/[^\s?#]*$/,
        "a path that begins with `/`, such as `/users/*`",
        (written) => /^[A-Za-z0-9_*.-]/.test(String(written)) ? [`/${written}`] : [],
      ),
      "Path of the URL; a `*` at the end takes everything below. Any path unless given.",
    ),
    methods: optional(
      z.array(
        shaped(
          /^[A-Z][A-Z-]*$/,
          "a method in capitals, such as GET",
          (written) => /^[A-Za-z]+$/.test(String(written)) ? [String(written).toUpperCase()] : [],
        ),
      ).min(1),
      "Methods; any unless given.",
    ),
    host: optional(
      shaped(
        /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f:.]+\]$/,
        "a host name without a port",
      ),
      "Host the client asked for, without port; `*.example.com` takes all below. Any unless given.",
    ),
  });

const respond = () =>
  z.strictObject({
    status: defaulted(integer(200, 599), 200, "Status code."),
    body: defaulted(z.string({ error: "must be text" }), "", "Body, as text."),
    headers: defaulted(
      z.record(
        shaped(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "a header name"),
        shaped(
          /^[^\r\n\0]*$/,
          "a header value (text on one line)",
          (written) => typeof written === "number" || typeof written === "boolean" ? [`"${written}"`] : [],
        ),
      ),
      {},
      "Headers of the answer.",
    ),
  });

/** What a route can do; the order is the one in error texts. */
export const routeActions = ["handler", "upstream", "files", "respond"] as const;

const route = section(() =>
  z.strictObject({
    match: defaulted(
      match(),
      {},
      "Which requests this route takes; all unless given. The first route that matches wins.",
    ),
    handler: optional(handler(), "Code that answers."),
    upstream: optional(name(), "Upstream that answers: a reverse proxy without code."),
    files: optional(existing("directory", "a folder"), "Folder whose files answer."),
    respond: optional(respond(), "A fixed answer."),
    rewrite: optional(
      z.strictObject({
        stripPrefix: required(
          shaped(/^\/[^\s?#]*$/, "a path that begins with `/`"),
          "Prefix cut from the path before it goes on.",
        ),
      }),
      "Change of the request before the action sees it.",
    ),
  }).check(hasOne(routeActions, "must have exactly one action of")).meta({ oneOf: routeActions.map(isGiven) })
);

const http = z.strictObject({
  protocol: required(z.literal("http"), "HTTP/1.1, HTTP/2 and WebSocket."),
  listen,
  handler: optional(
    handlerKey,
    "Module whose default export serves what no route takes; `./file.ts#name` takes a named export.",
  ),
  routes: defaulted(z.array(route).min(0), [], "Looked at before `handler`; the first that matches wins."),
  ...servingKeys,
  limits: defaulted(
    z.strictObject({
      body: defaulted(size(), "8MiB", "Longest request body; more is refused with 413."),
      headers: defaulted(size({ min: "256B" }), "16KiB", "Longest request head; more is refused with 431."),
      url: defaulted(size({ min: "16B" }), "8KiB", "Longest URL; more is refused with 414."),
    }),
    {},
    "Sizes of requests.",
  ),
  trustedProxies: defaulted(
    z.array(network()),
    [],
    "Proxies before this one whose X-Forwarded-* and Forwarded fields are believed and passed on; of others they are replaced.",
  ),
  ...guardKeys,
}).check(z.check((payload) => {
  const value = payload.value as { handler?: unknown; routes?: unknown };
  if (value.handler || (Array.isArray(value.routes) && value.routes.length > 0)) return;
  if (payload.issues.length > 0) return;
  payload.issues.push({
    code: "custom",
    message: "serves nothing: it needs a `handler` or `routes`",
    input: payload.value,
  });
})).meta({
  anyOf: [isGiven("handler"), { required: ["routes"], properties: { routes: { minItems: 1 } } }],
});

const thrift = z.strictObject({
  protocol: required(z.literal("thrift"), "Apache Thrift."),
  listen,
  handler: handlerKey,
  idl: required(existing("file", "a Thrift IDL"), "The Thrift IDL that declares the service."),
  service: required(
    shaped(/^[A-Za-z_][A-Za-z0-9_.]*$/, "the name of a service in the IDL"),
    "Name of the service in the IDL.",
  ),
  tracking: defaulted(
    z.boolean(),
    true,
    "Handshake, request and response headers for tracking; clients without them work too.",
  ),
  pipeline: defaulted(integer(1, 4096), 64, "Calls of one connection that are with the handler at once."),
  limits: defaulted(
    z.strictObject({
      message: defaulted(
        size({ min: "256B" }),
        "8MiB",
        "Longest message; a longer one closes the connection.",
      ),
    }),
    {},
    "Sizes of messages.",
  ),
  health: optional(
    shaped(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a method"),
    "Method that is answered without the handler: well, or closing while the worker drains. It returns bool, string, void or an enum.",
  ),
  ...servingKeys,
  ...guardKeys,
});

const frames = z.strictObject({
  protocol: required(z.literal("frames"), "Any TCP protocol, framed by declaration."),
  listen,
  handler: handlerKey,
  framing: required(framing(), "Where one frame ends and the next begins."),
  pattern: defaulted(
    z.enum(["requestReply", "oneWay", "stream"]),
    "requestReply",
    "requestReply: one answer per frame, in order, pipelined. oneWay: no answers. stream: any number of answers.",
  ),
  idle: defaulted(
    duration({ positive: true }),
    "60s",
    "A connection without a frame for this long is closed; takes the place of accept.idle.",
  ),
  refuse: defaulted(
    z.string({ error: "must be `close` or the text of a frame" }).min(1),
    "close",
    "What a refused frame gets: `close` closes the connection, any other text is sent as a frame.",
  ),
  ...servingKeys,
  ...guardKeys,
}).transform((value) => ({ ...value, accept: { ...value.accept, idle: value.idle } }));

export const protocols = ["http", "thrift", "frames", "zmq", "kafka"] as const;

export const listener = z.discriminatedUnion("protocol", [http, thrift, frames, zmqListener, kafkaListener]);
