/**
 * A request that came in, on its way to an upstream: the target that the route matched, end-to-end fields as they came,
 * fields of this proxy's own in place of what the client says under their names. Refuses what could mean something else
 * to the upstream than it meant here.
 */
import type { Context } from "../../../core/context.ts";
import { Refusal } from "../../../core/errors.ts";
import type { FlatHeaders, HttpRequest } from "../client/message.ts";
import { rawFields } from "../native_server.ts";
import { Fate, fates, hasToken, imitates, namedFields } from "./hop_headers.ts";
import { authorityOf, type PrefixCut, targetOf } from "./proxy_target.ts";
import { type Networks, plainAddress } from "../../../core/networks.ts";

/** What all requests of one route share. */
export interface RequestRules {
  readonly trusted: Networks;
  /** What clients of this listener speak. */
  readonly scheme: "http" | "https";
  readonly prefix: PrefixCut | undefined;
}

const plainHost = /^[\w.~:[\]%-]*$/;
const wholeNumber = /^[0-9]{1,15}$/;
const token = /^[!#$%&'*+.^`|~\w-]+$/;

/** See the module's header. What a client may not choose is written into it last. */
export class ProxiedRequest implements HttpRequest {
  readonly method: string;
  target = "";
  host = "";
  headers: FlatHeaders = [];
  body: Uint8Array | ReadableStream<Uint8Array> | null = null;
  /** Declared bytes of the body, -1 for a chunked one, 0 for none. */
  bodyBytes = 0;
  expectContinue = false;
  upgrade: string | undefined;
  /** For how long whoever asked says it waits, in ms. */
  waitsMs = Infinity;

  private constructor(method: string) {
    this.method = method;
  }

  /** Everything but the body; a refusal where it must not go on. */
  static of(request: Request, context: Context, rules: RequestRules): ProxiedRequest | Refusal {
    const { url } = request;
    const made = new ProxiedRequest(request.method);
    const host = authorityOf(url);
    const target = url.startsWith("http") && isPlainHost(host) ? targetOf(url) : undefined;
    if (target === undefined) return new Refusal("bad_request");
    const cut = rules.prefix ? rules.prefix.cut(target) : target;
    if (cut === undefined) return new Refusal("no_route");
    made.target = cut;
    made.host = host;
    return made.#takeFields(request, context, rules) ? made : new Refusal("bad_request");
  }

  #takeFields(request: Request, context: Context, rules: RequestRules): boolean {
    let headers: FlatHeaders = [];
    let connection = "", upgrade = "", length = "", forwarded = "", forwardedFor = "";
    let forwardedProto = "", forwardedHost = "";
    let chunked = false;
    for (const [written, value] of rawFields(request)) {
      const name = written.toLowerCase();
      switch (fates.get(name)) {
        case undefined:
          if (!imitates(name)) headers.push(name, value);
          break;
        case Fate.connection:
          connection = joined(connection, value);
          break;
        case Fate.upgrade:
          upgrade = joined(upgrade, value);
          break;
        case Fate.contentLength:
          length = value;
          break;
        case Fate.transferEncoding:
          chunked = true;
          break;
        case Fate.te:
          if (hasToken(value, "trailers")) headers.push("te", "trailers");
          break;
        case Fate.expect:
          this.expectContinue = value.toLowerCase() === "100-continue";
          break;
        case Fate.deadline:
          if (wholeNumber.test(value)) this.waitsMs = Math.min(this.waitsMs, Number(value));
          break;
        case Fate.forwardedFor:
          forwardedFor = joined(forwardedFor, value);
          break;
        case Fate.forwardedProto:
          forwardedProto = value;
          break;
        case Fate.forwardedHost:
          forwardedHost = value;
          break;
        case Fate.forwarded:
          forwarded = joined(forwarded, value);
          break;
      }
    }
    if (connection !== "") headers = withoutNamed(headers, connection);
    const { method } = this;
    this.bodyBytes = chunked ? -1 : length === "" ? 0 : Number(length);
    if (method === "GET" || method === "HEAD") {
      // The runtime keeps such bodies to itself, and without its body a request may mean something else.
      if (this.bodyBytes !== 0) return false;
      if (upgrade !== "" && method === "GET" && hasToken(connection, "upgrade")) {
        if (upgrade.toLowerCase() === "websocket") this.upgrade = "websocket";
      }
    }
    const { id, rpcId, address: peer } = context.request;
    const address = plainAddress(peer);
    const { scheme } = rules;
    const { host } = this;
    const hop = hopOf(address, host, scheme);
    if (rules.trusted.has(address)) {
      headers.push(
        "x-forwarded-for",
        joined(forwardedFor, address),
        "x-forwarded-proto",
        forwardedProto || scheme,
        "x-forwarded-host",
        forwardedHost || host,
        "forwarded",
        joined(forwarded, hop),
      );
    } else {
      if (address !== "") headers.push("x-forwarded-for", address);
      headers.push("x-forwarded-proto", scheme, "x-forwarded-host", host, "forwarded", hop);
    }
    // `traceparent` and `baggage` are passed on as they came: no span of this proxy is anywhere to be seen.
    headers.push("x-request-id", id, "x-rpc-id", `${rpcId}.1`);
    this.headers = headers;
    return true;
  }
}

/** RFC 9110 §7.6.1: what a Connection field names ends here. */
function withoutNamed(headers: FlatHeaders, connection: string): FlatHeaders {
  const named = namedFields(connection);
  if (!named) return headers;
  const kept: FlatHeaders = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    // TE itself must be named; what may stay of it was decided before.
    if (name === "te" || !named.has(name)) kept.push(name, headers[i + 1]!);
  }
  return kept;
}

function joined(before: string, value: string): string {
  return before === "" ? value : value === "" ? before : `${before}, ${value}`;
}

/** Requests come in numbers from the same client to the same host: what was found out last is likely to be asked again. */
let lastHost = "";
let lastHop = { address: "", host: "", scheme: "", element: forwardedElement("", "", "") };

function isPlainHost(host: string): boolean {
  if (host === lastHost) return true;
  if (!plainHost.test(host)) return false;
  lastHost = host;
  return true;
}

/** {@link forwardedElement}, remembered. */
function hopOf(address: string, host: string, scheme: string): string {
  if (address !== lastHop.address || host !== lastHop.host || scheme !== lastHop.scheme) {
    lastHop = { address, host, scheme, element: forwardedElement(address, host, scheme) };
  }
  return lastHop.element;
}

/** One hop of RFC 7239. */
function forwardedElement(address: string, host: string, scheme: string): string {
  const node = address === "" ? "unknown" : address.includes(":") ? `"[${address}]"` : address;
  const by = host === "" ? "" : token.test(host) ? `;host=${host}` : `;host="${host}"`;
  return `for=${node}${by};proto=${scheme}`;
}
