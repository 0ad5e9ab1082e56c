/**
 * The table of endpoints as a web application. Every request takes the same way: Host and Origin, token, one look at the
 * service, the page's document, one of three renderers, and the same strict headers on everything that leaves. The only
 * place of this folder that knows requests and responses besides guard.ts; it refuses more than a few pages at once.
 */

import { type Context, Hono } from "hono";
import css from "./assets/meta.css" with { type: "text" };
import type { Document } from "./document.ts";
import { complaint, type Endpoint } from "./endpoint.ts";
import { exampleLine } from "./example_line.ts";
import { formatTime } from "./format_value.ts";
import type { Guard, Refusal } from "./guard.ts";
import { negotiate, type PageFormat } from "./negotiate.ts";
import { BodyError, readFields } from "./read_fields.ts";
import { type Frame, renderHtml } from "./render_html.ts";
import { renderJson } from "./render_json.ts";
import { renderText } from "./render_text.ts";
import type { Scrubber } from "./scrubber.ts";
import type { Sight } from "./sight.ts";

/** What the application is made of. */
export interface AppOptions {
  endpoints: readonly Endpoint[];
  guard: Guard;
  look(): Sight;
  /** Takes secrets out of finished text: the last line of defence. */
  scrub: Scrubber;
  /** A page failed: a defect of ours. */
  onError(path: string, error: unknown): void;
  /** A command was let through. */
  onCommand(path: string): void;
}

const maxBodyBytes = 64 * 1024;
const bodyTimeoutMs = 5_000;
const maxPages = 64;

const strictHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

const contentTypes: Readonly<Record<PageFormat, string>> = {
  html: "text/html; charset=utf-8",
  text: "text/plain; charset=utf-8",
  json: "application/json; charset=utf-8",
};

/** The application; `fetch` of what it returns answers requests. */
export function makeApp(options: AppOptions): Hono {
  const { endpoints, guard } = options;
  const app = new Hono();
  let pages = 0;

  app.use(async (c, next) => {
    if (pages >= maxPages) c.res = plain(c, 503, "Too many pages are being made; try again.");
    else {
      pages++;
      try {
        const refusal = guard.checkOrigin(c.req.raw) ??
          // A POST may carry its token in its body: that is looked at where the body is read.
          (c.req.method === "POST" ? null : await guard.checkToken(c.req.raw, "read", null));
        if (refusal) c.res = refused(c, refusal);
        else await next();
      } finally {
        pages--;
      }
    }
    for (const [name, value] of Object.entries(strictHeaders)) c.res.headers.set(name, value);
  });

  app.get(
    "/assets/meta.css",
    () => new Response(css, { headers: { "content-type": "text/css; charset=utf-8" } }),
  );
  app.get("/favicon.ico", () => new Response(null, { status: 204 }));
  for (const endpoint of endpoints) {
    if (endpoint.method === "GET") app.get(endpoint.path, (c) => page(c, endpoint, options));
    else app.post(endpoint.path, (c) => command(c, endpoint, options));
  }
  for (const path of new Set(endpoints.map((endpoint) => endpoint.path))) {
    app.all(path, (c) => otherMethod(c, path, options));
  }
  app.notFound((c) => missing(c, options));
  app.onError((error, c) => {
    options.onError(c.req.path, error);
    return plain(c, 500, "This page could not be made. The log of the governor says why.");
  });
  return app;
}

function page(c: Context, endpoint: Endpoint, options: AppOptions): Promise<Response> {
  return answer(c, endpoint, new URL(c.req.url).searchParams, options);
}

async function command(c: Context, endpoint: Endpoint, options: AppOptions): Promise<Response> {
  const query = new URL(c.req.url).searchParams;
  try {
    const fields = await readFields(c.req.raw, { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs });
    const token = fields.get("token");
    for (const [name, value] of fields) if (name !== "token") query.set(name, value);
    const refusal = await options.guard.checkToken(c.req.raw, endpoint.tier, token);
    if (refusal) return refused(c, refusal);
  } catch (error) {
    if (error instanceof BodyError) return plain(c, error.status, error.message);
    throw error;
  }
  options.onCommand(c.req.path);
  return answer(c, endpoint, query, options);
}

async function answer(
  c: Context,
  endpoint: Endpoint,
  query: URLSearchParams,
  options: AppOptions,
): Promise<Response> {
  const sight = options.look();
  const ask = { params: c.req.param() as Record<string, string>, query, base: baseOf(c) };
  return respond(c, await endpoint.render(sight, ask), sight, options);
}

/** A path that exists, asked in a way that does not. */
async function otherMethod(c: Context, path: string, { guard, endpoints }: AppOptions): Promise<Response> {
  const refusal = await guard.checkToken(c.req.raw, "read", null);
  if (refusal) return refused(c, refusal);
  const known = endpoints.filter((endpoint) => endpoint.path === path).map((endpoint) => endpoint.method);
  const allow = known.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]).join(", ") +
    ", OPTIONS";
  if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const response = plain(c, 405, `${c.req.path} takes ${allow}. Nothing here is changed by GET.`);
  response.headers.set("allow", allow);
  return response;
}

async function missing(c: Context, options: AppOptions): Promise<Response> {
  const refusal = await options.guard.checkToken(c.req.raw, "read", null);
  if (refusal) return refused(c, refusal);
  const known = options.endpoints.filter((one) => one.method === "GET").map((one) => one.path).join("  ");
  const text = `There is no page ${c.req.path.slice(0, 200)}.\n\nThere are: ${known}`;
  return respond(c, complaint(404, "Not found", text), options.look(), options);
}

function respond(c: Context, document: Document, sight: Sight, options: AppOptions): Response {
  const query = new URL(c.req.url).searchParams;
  const format = negotiate(query.get("format"), c.req.header("accept") ?? null);
  if (format === null) return plain(c, 400, "`format` must be html, text or json.");
  const usePlain = format === "text" && document.plain !== undefined;
  const body = usePlain ? document.plain!.text : render(c, document, format, query, sight, options);
  return new Response(options.scrub(body), {
    status: document.status ?? 200,
    headers: {
      "content-type": usePlain ? document.plain!.contentType : contentTypes[format],
      "vary": "accept",
    },
  });
}

function render(
  c: Context,
  document: Document,
  format: PageFormat,
  query: URLSearchParams,
  sight: Sight,
  { endpoints, guard }: AppOptions,
): string {
  if (format === "json") return renderJson(document);
  if (format === "text") return renderText(document, (method, path) => exampleLine(baseOf(c), method, path));
  const { plan, state } = sight;
  const reading = c.req.method !== "POST";
  const refreshSeconds = reading ? refreshOf(query.get("refresh")) : 0;
  query.delete("refresh");
  query.delete("format");
  const frame: Frame = {
    service: plan.service,
    version: plan.version ?? "",
    state: state.ready
      ? { text: "ready", tone: "good" }
      : { text: state.phase === "running" ? "not ready" : state.phase, tone: "bad" },
    path: c.req.path,
    query,
    refreshSeconds,
    views: reading,
    writable: guard.hasToken,
    pages: endpoints.filter((endpoint) => endpoint.nav),
    nowText: `${formatTime(sight.now)} · ${Deno.hostname()} · supervisor ${state.pid} · Weir ${state.weir}`,
  };
  return renderHtml(document, frame);
}

function refreshOf(text: string | null): number {
  const seconds = Number(text);
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= 60 ? seconds : 0;
}

/** The Host was checked before; what is no name at all falls back to the router's own idea of it. */
function baseOf(c: Context): string {
  return `http://${c.req.header("host") ?? new URL(c.req.url).host}`;
}

function refused(c: Context, { status, text, headers }: Refusal): Response {
  const response = plain(c, status, text);
  for (const [name, value] of Object.entries(headers ?? {})) response.headers.set(name, value);
  return response;
}

/** A short answer that shows nothing of the service. */
function plain(c: Context, status: number, text: string): Response {
  const json = negotiate(c.req.query("format") ?? null, c.req.header("accept") ?? null) === "json";
  return new Response(json ? JSON.stringify({ error: text }, null, 2) + "\n" : text + "\n", {
    status,
    headers: { "content-type": contentTypes[json ? "json" : "text"] },
  });
}
