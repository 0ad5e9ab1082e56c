/**
 * Which service answers a request: routes in the order of the manifest, the first match wins, then the listener's own
 * handler. Built once; matching allocates nothing but the path.
 */
import type { Context } from "../../core/context.ts";
import { Refusal } from "../../core/errors.ts";
import type { RoutePlan } from "../../core/manifest/plan.ts";
import type { Service } from "../../core/service.ts";

/** What answers an HTTP request. */
export type HttpService = Service<Request, Response | Refusal>;

interface Route {
  exact: string | undefined;
  prefix: string | undefined;
  methods: Set<string> | undefined;
  host: ((host: string) => boolean) | undefined;
  service: HttpService;
}

/**
 * The path of a request's URL, without query, as handlers see it: the runtime hands on what the client wrote, where
 * `/a/../b`, `/a/%2e%2e/b`, `\\b` and `/b#c` all mean `/b`, and a route must not be walked around that way. Escaped
 * characters that need no escape are plain (`%61` is `a`); `%2F` stays what it is.
 */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  const path = query < 0 ? url.slice(start) : url.slice(start, query);
  return /[\\#%]|\/\./.test(path) ? canonical(url) : path;
}

function canonical(url: string): string {
  const { pathname } = new URL(url);
  try {
    // Once more: what was escaped twice is no dot, but what is one after unescaping must not be left.
    const plain = decodeURI(pathname);
    return /(?:^|\/)\.\.?(?:\/|$)/.test(plain) ? new URL(plain, "http://host").pathname : plain;
  } catch {
    return pathname;
  }
}

/** Host without port, in lower case. */
function hostOf(url: string): string {
  const start = url.indexOf("://") + 3;
  const end = url.indexOf("/", start);
  const authority = end < 0 ? url.slice(start) : url.slice(start, end);
  return authority.replace(/:\d+$/, "").toLowerCase();
}

function hostMatcher(pattern: string): (host: string) => boolean {
  const wanted = pattern.toLowerCase();
  if (!wanted.startsWith("*.")) return (host) => host === wanted;
  return (host) => host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1;
}

/** 405 says which methods there are: RFC 9110 §15.5.6. */
export class MethodRefusal extends Refusal {
  readonly methods: readonly string[];

  constructor(methods: Iterable<string>) {
    super("method_not_allowed");
    this.methods = [...methods];
  }
}

function compileRoute(match: RoutePlan["match"], service: HttpService): Route {
  const { path, methods, host } = match;
  const wild = path?.endsWith("*") ?? false;
  return {
    exact: path && !wild ? path : undefined,
    prefix: path && wild ? path.slice(0, -1) : undefined,
    methods: methods ? new Set(methods) : undefined,
    host: host ? hostMatcher(host) : undefined,
    service,
  };
}

/**
 * One service out of all. `*` within a path pattern matches nothing else: only a trailing `*` is special, and
 * `/users/*` takes `/users` as well as all below it. Without a match: 404, or 405 where only the method was wrong.
 */
export function routeTable(
  routes: ReadonlyArray<{ match: RoutePlan["match"]; service: HttpService }>,
  fallback: HttpService | undefined,
): HttpService {
  if (routes.length === 0 && fallback) return fallback;
  const table = routes.map(({ match, service }) => compileRoute(match, service));
  return (request: Request, context: Context) => {
    const url = request.url;
    const path = pathOf(url);
    let allowed: Set<string> | undefined;
    let host: string | undefined;
    for (const route of table) {
      if (route.exact !== undefined && route.exact !== path) continue;
      const { prefix } = route;
      if (
        prefix !== undefined && !path.startsWith(prefix) &&
        !(prefix.endsWith("/") && path === prefix.slice(0, -1))
      ) {
        continue;
      }
      if (route.host && !route.host(host ??= hostOf(url))) continue;
      if (route.methods && !allows(route.methods, request.method)) {
        allowed = allowed ? new Set([...allowed, ...route.methods]) : route.methods;
        continue;
      }
      return route.service(request, context);
    }
    if (fallback) return fallback(request, context);
    return allowed ? new MethodRefusal(allowed) : new Refusal("no_route");
  };
}

/** GET includes HEAD, as everywhere in HTTP. */
function allows(methods: Set<string>, method: string): boolean {
  return methods.has(method) || (method === "HEAD" && methods.has("GET"));
}
