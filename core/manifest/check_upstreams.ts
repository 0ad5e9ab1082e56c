/**
 * The rules about upstreams that a schema cannot say: who names whom, which settings have no meaning for a protocol,
 * and times that could never be used.
 */
import { subject } from "./diagnose.ts";
import { type Check, isMap, listAt, mapAt, milliseconds, named, refer } from "./check_walk.ts";
import type { Path } from "./places.ts";

/** One entry per rule; the order has no meaning. */
export const upstreamRules: readonly ((check: Check) => void)[] = [
  upstreamNames,
  fallbackCircles,
  ownCertificates,
  settingsOfProtocols,
  endpointsTwice,
  uselessTimes,
];

function upstreamNames(check: Check): void {
  const upstreams = Object.keys(mapAt(check.manifest.upstreams));
  for (const [name, listener] of named(check, "listeners")) {
    listAt(listener.routes).forEach((route, index) => {
      const path = ["listeners", name, "routes", index, "upstream"];
      refer(check, path, mapAt(route).upstream, "upstream", upstreams);
      speaks(check, path, mapAt(route).upstream, "http", "a route needs");
    });
    const connect = listener.connect;
    if (
      listener.protocol === "zmq" && typeof connect === "string" && /^[A-Za-z][A-Za-z0-9_-]*$/.test(connect)
    ) {
      refer(check, ["listeners", name, "connect"], connect, "upstream", upstreams);
      speaks(check, ["listeners", name, "connect"], connect, "zmq", "a zmq listener needs");
    }
  }
  for (const [name, upstream] of named(check, "upstreams")) {
    const path = ["upstreams", name, "fallback"];
    refer(check, path, upstream.fallback, "upstream", upstreams);
    speaks(check, path, upstream.fallback, upstream.protocol, `\`${name}\` needs`);
  }
}

function fallbackCircles(check: Check): void {
  const upstreams = mapAt(check.manifest.upstreams);
  const reported = new Set<string>();
  for (const start of Object.keys(upstreams)) {
    const way = [start];
    for (
      let next = mapAt(upstreams[start]).fallback;
      typeof next === "string";
      next = mapAt(upstreams[next]).fallback
    ) {
      if (next === start && !way.some((name) => reported.has(name))) {
        const message = `\`fallback\` leads in a circle: ${[...way, start].join(" → ")}`;
        check.report(check.places.about(["upstreams", start, "fallback"], message));
        for (const name of way) reported.add(name);
      }
      if (way.includes(next)) break;
      way.push(next);
    }
  }
}

/** A certificate needs its key, wherever this side connects with TLS. */
function ownCertificates(check: Check): void {
  for (const [name, upstream] of named(check, "upstreams")) {
    certificatePair(check, ["upstreams", name, "tls"], upstream.tls);
  }
  for (const [name, stream] of named(check, "streams")) {
    certificatePair(check, ["streams", name, "kafka", "tls"], mapAt(stream.kafka).tls);
  }
  for (const [name, listener] of named(check, "listeners")) {
    if (listener.protocol === "kafka") certificatePair(check, ["listeners", name, "tls"], listener.tls);
  }
}

function certificatePair(check: Check, path: Path, written: unknown): void {
  const tls = mapAt(written);
  const given = (["cert", "key"] as const).filter((key) => tls[key] !== undefined && tls[key] !== null);
  if (given.length !== 1) return;
  const other = given[0] === "cert" ? "key" : "cert";
  const message = `\`${given[0]}\` needs a \`${other}\` beside it`;
  check.report(check.places.aboutKey([...path, given[0]!], message));
}

/** Keys that one protocol alone has a use for. */
const ownKeys = [
  ["framing", "frames"],
  ["pattern", "frames"],
  ["redis", "redis"],
  ["http2", "http"],
  ["thrift", "thrift"],
  ["zmq", "zmq"],
] as const;

/** The same of `health.probe`. */
const ownKeysOfProbes = [["path", "http"], ["send", "frames"]] as const;

function settingsOfProtocols(check: Check): void {
  for (const [name, upstream] of named(check, "upstreams")) {
    const { protocol } = upstream;
    if (!isKnown(protocol)) continue;
    for (const [key, own] of ownKeys) {
      if (protocol === own || upstream[key] === undefined || upstream[key] === null) continue;
      const message = `\`${key}\` has no meaning for ${one(protocol)}, only for ${one(own)}`;
      check.report(check.places.aboutKey(["upstreams", name, key], message));
    }
    if (protocol !== "zmq" && mapAt(upstream.discover).listen !== undefined) {
      const message = `\`listen\` has no meaning for ${one(protocol)}, only for ${one("zmq")}`;
      check.report(check.places.aboutKey(["upstreams", name, "discover", "listen"], message));
    }
    const probe = mapAt(upstream.health, "probe");
    for (const [key, own] of ownKeysOfProbes) {
      if (protocol === own || probe[key] === undefined || probe[key] === null) continue;
      const message = `\`${key}\` has no meaning for ${one(protocol)}, only for ${one(own)}`;
      check.report(check.places.aboutKey(["upstreams", name, "health", "probe", key], message));
    }
  }
}

/** Two entries of the same address and role are one endpoint. */
function endpointsTwice(check: Check): void {
  for (const [name, upstream] of named(check, "upstreams")) {
    const seen = new Map<string, number>();
    listAt(mapAt(upstream.discover).static).forEach((entry, index) => {
      const address = isMap(entry) ? entry.address : entry;
      if (typeof address !== "string") return;
      const role = isMap(entry) && typeof entry.role === "string" ? entry.role : "";
      const key = `${address.toLowerCase()} ${role}`;
      const first = seen.get(key);
      if (first === undefined) return void seen.set(key, index);
      const path = ["upstreams", name, "discover", "static", index, ...(isMap(entry) ? ["address"] : [])];
      const message = `\`${address}\` is declared twice (first as \`static[${first}]\`)`;
      check.report(check.places.about(path, `${message}; use \`weight\` for a larger share`));
    });
  }
}

/** Waits of an upstream that end after the call itself. Only what was written is looked at. */
const uselessWaits = [
  { path: ["throttle", "wait"], limit: "total", otherwise: "3s" },
  { path: ["pool", "wait"], limit: "total", otherwise: "3s" },
  { path: ["retry", "backoff"], limit: "total", otherwise: "3s" },
  { path: ["hedge", "after"], limit: "attempt", otherwise: "1s" },
] as const;

function uselessTimes(check: Check): void {
  for (const [name, upstream] of named(check, "upstreams")) {
    const timeouts = mapAt(upstream.timeouts);
    for (const { path, limit, otherwise } of uselessWaits) {
      const [section, key] = path;
      const written = mapAt(upstream[section])[key];
      if (written === undefined || written === null) continue;
      if (!(milliseconds(written, "0") > milliseconds(timeouts[limit], otherwise))) continue;
      const message = `${subject([key])} must not be longer than \`timeouts.${limit}\` (${
        timeouts[limit] ?? otherwise
      }): nobody would wait that long`;
      check.report(check.places.about(["upstreams", name, ...path], message));
    }
  }
}

function isKnown(protocol: unknown): protocol is string {
  return typeof protocol === "string" && ["http", "thrift", "redis", "frames", "zmq"].includes(protocol);
}

/** Reports a reference to an upstream that speaks something else; one that is not declared is reported elsewhere. */
function speaks(check: Check, path: Path, name: unknown, wanted: unknown, who: string): void {
  if (typeof name !== "string" || !isKnown(wanted)) return;
  const { protocol } = mapAt(check.manifest.upstreams, name);
  if (!isKnown(protocol) || protocol === wanted) return;
  const message = `${subject(path)} names the upstream \`${name}\`, which speaks ${protocol}: ${who} ${
    one(wanted)
  }`;
  check.report(check.places.about(path, message));
}

function one(protocol: string): string {
  return `${protocol === "http" ? "an" : "a"} ${protocol} upstream`;
}
