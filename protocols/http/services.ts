/** The manifest's routes and handler of one HTTP listener, as one service. Built once, before the port is bound. */
import { Refusal } from "../../core/errors.ts";
import type { HandlerPlan, HttpListenerPlan, RoutePlan } from "../../core/manifest/plan.ts";
import { derivedRequest } from "./derived_request.ts";
import { toFetch } from "./fetch_handler.ts";
import type { HttpHost } from "./native_connection.ts";
import { proxyService } from "./proxy/proxy_service.ts";
import { PrefixCut } from "./proxy/proxy_target.ts";
import { Networks } from "../../core/networks.ts";
import { type HttpService, routeTable } from "./routes.ts";
import { staticFiles } from "./static_files.ts";
import { packRequest, unpackResponse } from "./wire_message.ts";

/** Loads what must be loaded and returns what answers every request of the listener. */
export async function listenerService(host: HttpHost): Promise<HttpService> {
  const { plan } = host;
  const routes = [];
  for (const route of plan.routes) {
    const prefix = route.rewrite?.stripPrefix;
    const service = route.upstream
      ? proxied(host, plan, route.upstream, prefix)
      : rewritten(await routeService(host, plan, route), prefix);
    routes.push({ match: route.match, service });
  }
  const fallback = plan.handler ? await handlerService(host, plan, plan.handler) : undefined;
  return routeTable(routes, fallback);
}

async function routeService(host: HttpHost, plan: HttpListenerPlan, route: RoutePlan): Promise<HttpService> {
  if (route.handler) return await handlerService(host, plan, route.handler);
  const prefix = route.rewrite ? "/" : (route.match.path ?? "/*").replace(/\*$/, "");
  if (route.files) return staticFiles(route.files, prefix);
  if (route.respond) return fixedAnswer(route.respond);
  throw new TypeError(`Cannot serve listeners.${host.name}: a route has no action`);
}

/** What goes to an upstream keeps its URL as it was written, but for the prefix. */
function proxied(host: HttpHost, plan: HttpListenerPlan, upstream: string, prefix?: string): HttpService {
  return proxyService(host.upstream(upstream), {
    trusted: new Networks(plan.trustedProxies),
    scheme: plan.tls ? "https" : "http",
    prefix: prefix === undefined ? undefined : new PrefixCut(prefix),
  });
}

async function handlerService(
  host: HttpHost,
  plan: HttpListenerPlan,
  handler: HandlerPlan,
): Promise<HttpService> {
  if (plan.run !== "inline") return pooled(host, plan.run, handler);
  return toFetch(await host.load(handler), `listeners.${host.name}.handler`);
}

function pooled(host: HttpHost, pool: string, handler: HandlerPlan): HttpService {
  const dispatch = host.onPool(pool, new URL("./pool_adapter.ts", import.meta.url).href, handler);
  return (request, context) => {
    const message = packRequest(request);
    if (message instanceof Promise) {
      return message.then((bytes) => dispatch(bytes, context.signal, context.deadline)).then(unpackResponse);
    }
    return dispatch(message, undefined, context.deadline).then(unpackResponse);
  };
}

function fixedAnswer({ status, body, headers }: NonNullable<RoutePlan["respond"]>): HttpService {
  const content = status === 204 || status === 205 || status === 304 ? null : body;
  const given = new Headers(headers);
  if ([...given].length === 0) return () => new Response(content, { status });
  if (content !== null && !given.has("content-type")) given.set("content-type", "text/plain; charset=utf-8");
  const pairs = Object.fromEntries(given);
  return () => new Response(content, { status, headers: pairs });
}

function rewritten(service: HttpService, prefix: string | undefined): HttpService {
  const base = prefix?.replace(/\/+$/, "");
  if (!base) return service;
  return (request, context) => {
    const url = new URL(request.url);
    const { pathname } = url;
    if (pathname !== base && !pathname.startsWith(`${base}/`)) return new Refusal("no_route");
    url.pathname = pathname.slice(base.length) || "/";
    return service(derivedRequest(request, url, request.body), context);
  };
}
