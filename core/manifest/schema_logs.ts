/** What is logged and where to, where statistics are sent, and the meta pages. */
import { z } from "zod";
import {
  byName,
  defaulted,
  exactlyOne,
  integer,
  name,
  oneOrMore,
  optional,
  required,
  section,
  shaped,
  text,
} from "./terms.ts";
import { size } from "./terms_quantity.ts";
import { absolute, path, secretOrNothing } from "./terms_path.ts";
import { listenAddress } from "./terms_address.ts";

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

export const levels = ["trace", "debug", "info", "warning", "error", "fatal"] as const;
const level = z.enum(levels);

const facilities = [
  ..."kern user mail daemon auth syslog lpr news uucp cron authpriv ftp".split(" "),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => `local${number}`),
] as [string, ...string[]];

const sink = section(() =>
  exactlyOne({
    file: required(
      path("the path of a file"),
      "A file; opened again on SIGUSR2.",
    ),
    syslog: required(
      target("udp|tcp", 514, "a syslog address such as `udp://127.0.0.1:514` or `unix:/dev/log`"),
      "A syslog server: udp://host:port, tcp://host:port or unix:path.",
    ),
    stream: required(
      name(),
      "A stream: a record per line, as JSON. Lines of workers; those of other processes go to the console.",
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
  })
);

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
      z.array(section(() =>
        z.strictObject({
          match: defaulted(
            shaped(/^[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*-]+)*$/, "a logger name such as `access.*` or `**`"),
            "**",
            "Logger names: `*` is one part, `**` any number of them.",
          ),
          level: defaulted(level, "trace", "Least level this route takes."),
          to: required(z.array(name()).min(1), "Sinks that get the line."),
          only: defaulted(z.boolean(), false, "true: routes after this one do not get its lines."),
        })
      )),
      [],
      "By logger name and level; every matching route gets the line, up to the first with `only`. What no route matches goes to the console.",
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

export const telemetry = optional(
  section(() =>
    z.strictObject({
      statsd: optional(
        target("udp", 8125, "a statsd address such as `udp://127.0.0.1:8125`"),
        "statsd server.",
      ),
      otlp: optional(
        shaped(/^https?:\/\/[^\s/]+\S*$/, "a URL such as `http://127.0.0.1:4318`"),
        "OpenTelemetry collector (OTLP over HTTP).",
      ),
    })
  ),
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
        secretOrNothing(),
        "Required for POSTs, and for everything when not on loopback.",
      ),
    }),
  ]).transform((value) => value === false ? null : value),
  {},
  "Pages and metrics about the service; false = none.",
);
