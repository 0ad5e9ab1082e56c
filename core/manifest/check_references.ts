/**
 * What a schema cannot say because it concerns two places: names that must be declared elsewhere, addresses that must
 * not be used twice, settings that have no meaning together. Walks the manifest as written and tolerates anything,
 * so that it reports also beside other problems.
 */
import { isIP } from "node:net";
import { type Check, isMap, listAt, mapAt, milliseconds, named, refer } from "./check_walk.ts";
import { upstreamRules } from "./check_upstreams.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { formatPath, type Path, type Places } from "./places.ts";

/** One entry per rule; the order has no meaning. */
const rules: readonly ((check: Check) => void)[] = [
  poolNames,
  sinkNames,
  registeredListeners,
  storeUsers,
  addresses,
  metaToken,
  sinkSettings,
  routeRewrites,
  waitsAndDeadlines,
  ...upstreamRules,
];

export function checkReferences(manifest: unknown, places: Places): Diagnostic[] {
  const found: Diagnostic[] = [];
  const check: Check = { manifest: mapAt(manifest), places, report: (diagnostic) => found.push(diagnostic) };
  for (const rule of rules) rule(check);
  return found;
}

function poolNames(check: Check): void {
  const pools = ["inline", ...Object.keys(mapAt(check.manifest.pools))];
  for (const [name, listener] of named(check, "listeners")) {
    refer(check, ["listeners", name, "run"], listener.run, "pool", pools);
  }
  for (const name of pools.slice(1)) {
    if (name !== "inline") continue;
    check.report(
      check.places.aboutKey(
        ["pools", name],
        "a pool cannot be called `inline`: `run: inline` is the I/O thread",
      ),
    );
  }
}

function sinkNames(check: Check): void {
  const declared = Object.keys(mapAt(check.manifest.logs, "sinks"));
  listAt(mapAt(check.manifest.logs).routes).forEach((route, index) => {
    const to = mapAt(route).to;
    if (!Array.isArray(to)) return;
    to.forEach((name, entry) =>
      refer(check, ["logs", "routes", index, "to", entry], name, "sink", ["console", ...declared])
    );
  });
  const streams = Object.keys(mapAt(check.manifest.streams));
  for (const name of declared) {
    const { stream } = mapAt(check.manifest.logs, "sinks", name);
    const path = ["logs", "sinks", name, "stream"];
    refer(check, path, stream, "stream", streams);
    if (typeof stream !== "string" || mapAt(check.manifest.streams, stream).codec !== "msgpack") continue;
    const message = `lines are JSON or plain bytes, and \`streams.${stream}\` has \`codec: msgpack\``;
    check.report(check.places.about(path, message));
  }
  if (!declared.includes("console")) return;
  check.report(
    check.places.aboutKey(
      ["logs", "sinks", "console"],
      "the sink `console` is always there and cannot be declared",
    ),
  );
}

function registeredListeners(check: Check): void {
  const listeners = Object.keys(mapAt(check.manifest.listeners));
  const register = mapAt(check.manifest.governance).register;
  if (!Array.isArray(register)) return;
  register.forEach((name, index) =>
    refer(check, ["governance", "register", index], name, "listener", listeners)
  );
  if (register.length === 0 || hasStore(check)) return;
  check.report(
    check.places.about(
      ["governance", "register"],
      "`register` needs a `governance.store`, and none is declared",
    ),
  );
}

function hasStore(check: Check): boolean {
  return isMap(mapAt(check.manifest.governance).store);
}

function storeUsers(check: Check): void {
  if (hasStore(check)) return;
  for (const [name, loop] of named(check, "loops")) {
    if (loop.on !== "leader") continue;
    const path = ["loops", name, "on"];
    check.report(check.places.about(path, "`on: leader` needs a `governance.store`, and none is declared"));
  }
  for (const [name, upstream] of named(check, "upstreams")) {
    if (typeof mapAt(upstream.discover).registry !== "string") continue;
    const path = ["upstreams", name, "discover", "registry"];
    check.report(check.places.about(path, "`registry` needs a `governance.store`, and none is declared"));
  }
}

interface Bound {
  owner: string;
  path: Path;
  address: string;
  host: string;
  port: string;
}

function addresses(check: Check): void {
  const bound: Bound[] = [];
  const add = (owner: string, base: Path, listen: unknown) => {
    const entries: [Path, unknown][] = Array.isArray(listen)
      ? listen.map((item, index) => [[...base, index], item])
      : [[base, listen]];
    for (const [path, written] of entries) {
      const address = typeof written === "string" ? boundAddress(written) : undefined;
      if (!address) continue;
      const other = bound.find((one) => overlaps(one, address));
      if (other) {
        const same = other.address === address.address
          ? "is the address"
          : `overlaps with \`${other.address}\``;
        const whose = `of \`${other.owner}\` (\`${formatPath(other.path)}\`)`;
        check.report(
          check.places.about(path, `\`${written}\` ${same} ${whose}; every listener needs its own`),
        );
        continue;
      }
      bound.push({ owner, path, ...address });
    }
  };
  for (const [name, listener] of named(check, "listeners")) {
    add(name, ["listeners", name, "listen"], listener.listen);
  }
  if (check.manifest.meta !== false) {
    add("meta", ["meta", "listen"], mapAt(check.manifest.meta).listen ?? "127.0.0.1:9901");
  }
}

function boundAddress(written: string): { address: string; host: string; port: string } | undefined {
  const unix = /^(?:unix:|ipc:\/\/)(.+)$/.exec(written);
  if (unix) return { address: `unix:${unix[1].replace(/^\.\//, "")}`, host: "", port: "" };
  const tcp = /^(?:tcp:\/\/)?(.*):([0-9]+)$/.exec(written);
  if (!tcp || Number(tcp[2]) === 0) return undefined;
  const host = tcp[1] === "" || tcp[1] === "*"
    ? "0.0.0.0"
    : tcp[1] === "localhost"
    ? "127.0.0.1"
    : tcp[1].toLowerCase();
  const port = String(Number(tcp[2]));
  return { address: `${host}:${port}`, host, port };
}

/** A wildcard beside one of its own addresses would share out connections by chance. */
function overlaps(
  a: { address: string; host: string; port: string },
  b: { address: string; host: string; port: string },
): boolean {
  if (a.address === b.address) return true;
  if (a.port !== b.port || a.port === "") return false;
  const four = (host: string) => isIP(host) === 4;
  const six = (host: string) => host.startsWith("[");
  return (a.host === "0.0.0.0" && four(b.host)) || (b.host === "0.0.0.0" && four(a.host)) ||
    (a.host === "[::]" && six(b.host)) || (b.host === "[::]" && six(a.host));
}

function metaToken(check: Check): void {
  const meta = mapAt(check.manifest.meta);
  if (meta.token !== undefined && meta.token !== null && meta.token !== "") return;
  const list = Array.isArray(meta.listen);
  listAt(meta.listen).forEach((written, index) => {
    const host = typeof written === "string" ? /^(.*):[0-9]+$/.exec(written)?.[1] : undefined;
    if (host === undefined || host.startsWith("unix:") || isLoopback(host)) return;
    const path = list ? ["meta", "listen", index] : ["meta", "listen"];
    const message =
      `meta on \`${written}\` can be reached from outside, so it needs a \`token\`; without one it must stay on loopback`;
    check.report(check.places.about(path, message));
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}

function sinkSettings(check: Check): void {
  for (const [name, value] of Object.entries(mapAt(check.manifest.logs, "sinks"))) {
    const sink = mapAt(value);
    const pairs = [["rotate", "syslog", "file"], ["facility", "file", "syslog"]] as const;
    for (const [key, kind, other] of pairs) {
      if (sink[key] === undefined || sink[kind] === undefined || sink[other] !== undefined) continue;
      const message = `\`${key}\` has no meaning for a ${kind} sink, only for a ${other} sink`;
      check.report(check.places.aboutKey(["logs", "sinks", name, key], message));
    }
  }
}

function routeRewrites(check: Check): void {
  for (const [name, listener] of named(check, "listeners")) {
    listAt(listener.routes).forEach((value, index) => {
      const route = mapAt(value);
      if (!isMap(route.rewrite) || !isMap(route.respond)) return;
      const path = ["listeners", name, "routes", index, "rewrite"];
      check.report(
        check.places.aboutKey(path, "`rewrite` has no meaning beside `respond`: a fixed answer sees no path"),
      );
    });
  }
}

function waitsAndDeadlines(check: Check): void {
  for (const [name, listener] of named(check, "listeners")) {
    const wait = milliseconds(mapAt(listener.admit).wait, "100ms");
    const deadline = milliseconds(listener.deadline, "5s");
    if (!(wait > deadline) || deadline === 0) continue;
    const given = mapAt(listener.admit).wait !== undefined;
    const path = ["listeners", name, ...(given ? ["admit", "wait"] : ["deadline"])];
    const message = given
      ? "`wait` is longer than the `deadline` of the listener: who waits that long is too late anyway"
      : "`deadline` is shorter than `admit.wait` (100ms unless given)";
    check.report(check.places.about(path, message));
  }
}
