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

/** The path of a request's URL, without query. Native URLs are absolute: `http://host/path?query`. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
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
    let wrongMethod = false;
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
        wrongMethod = true;
        continue;
      }
      return route.service(request, context);
    }
    if (fallback) return fallback(request, context);
    return new Refusal(wrongMethod ? "method_not_allowed" : "no_route");
  };
}

/** GET includes HEAD, as everywhere in HTTP. */
function allows(methods: Set<string>, method: string): boolean {
  return methods.has(method) || (method === "HEAD" && methods.has("GET"));
}
