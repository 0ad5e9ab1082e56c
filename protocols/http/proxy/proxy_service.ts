/**
 * The reverse proxy of a route: `upstream: users`. Request → the upstream's caller → reply, without code of the user's
 * in between. Small bodies are taken in before the upstream is asked, so that a slow client holds no connection to it
 * and the request can be sent again; others are passed on as they come. Limits, retries and balancing are not its
 * business: the listener and the caller have them.
 */
import type { Context } from "../../../core/context.ts";
import { Refusal, ServiceError } from "../../../core/errors.ts";
import type { Caller, CallOptions, CallOwner } from "../../../core/upstream/contract.ts";
import { UpstreamError } from "../../../core/upstream_error.ts";
import type { HttpReply, HttpRequest } from "../client/message.ts";
import { originOf } from "../derived_request.ts";
import type { HttpService } from "../routes.ts";
import { keyMaker } from "./hash_key.ts";
import { toResponse } from "./proxied_response.ts";
import { ProxiedRequest, type RequestRules } from "./proxied_request.ts";
import { switchProtocols } from "./switch_protocols.ts";
import { type Upgrader, upgraderOf } from "../websockets.ts";

/** Bodies of a declared length up to this are taken in whole. */
const wholeBytes = 64 * 1024;
/** RFC 9110 §9.2.2. */
const idempotentMethods = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** What answers every request of the route by asking `upstream`. */
export function proxyService(upstream: Caller<HttpRequest, HttpReply>, rules: RequestRules): HttpService {
  const keyOf = keyMaker(upstream.plan.balance);
  const ask = (
    proxied: ProxiedRequest,
    context: Context,
    upgrader?: Upgrader,
  ): Promise<Response | Refusal> => {
    const { method } = proxied;
    const repeatable = idempotentMethods.has(method) && !(proxied.body instanceof ReadableStream) &&
      proxied.upgrade === undefined;
    const options: CallOptions = { method, idempotent: repeatable };
    if (keyOf) options.key = keyOf(proxied, context);
    tellDeadline(proxied, context as Context & CallOwner, upstream);
    return upstream.call(proxied, context as Context & CallOwner, options).then(
      (reply) =>
        upgrader && reply.status === 101
          ? switchProtocols(upgrader, reply)
          : toResponse(reply, method) ?? new Refusal("upstream_protocol"),
      refusalOf,
    );
  };
  return (request, context) => {
    const proxied = ProxiedRequest.of(request, context, rules);
    if (proxied instanceof Refusal) return proxied;
    if (proxied.upgrade !== undefined) {
      const upgrader = upgraderOf(request);
      // HTTP/2 has no upgrade.
      const possible = upgrader?.takesOver && !upstream.plan.http2;
      return possible ? ask(proxied, context, upgrader) : new Refusal("no_upgrade");
    }
    const { bodyBytes } = proxied;
    if (bodyBytes > wholeBytes || bodyBytes < 0) {
      proxied.body = request.body;
      return ask(proxied, context);
    }
    // HTTP/2 need not declare a body: the listener counts what may be one, and derives a request for it.
    if (bodyBytes === 0 && originOf(request) !== request) {
      return unlessEmpty(request.body).then((body) => {
        proxied.body = body;
        proxied.bodyBytes = body ? -1 : 0;
        return ask(proxied, context);
      });
    }
    proxied.expectContinue = false;
    if (bodyBytes === 0) return ask(proxied, context);
    return request.bytes().then((bytes) => {
      proxied.body = bytes;
      return ask(proxied, context);
    });
  };
}

/** `body`, once its first piece is there; null where it has none. */
async function unlessEmpty(
  body: ReadableStream<Uint8Array> | null,
): Promise<ReadableStream<Uint8Array> | null> {
  const reader = body?.getReader();
  let first = await reader?.read();
  while (first && !first.done && first.value.length === 0) first = await reader!.read();
  if (!reader || !first || first.done) return null;
  return new ReadableStream({
    async pull(controller) {
      const piece = first ?? await reader.read();
      first = undefined;
      if (piece.done) controller.close();
      else controller.enqueue(piece.value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** How long the reply is waited for, as handlers tell it (client/handle.ts); whoever asked can only make it less. */
function tellDeadline(
  { headers, waitsMs }: ProxiedRequest,
  { deadlineAt }: CallOwner,
  { plan, clock }: Caller<HttpRequest, HttpReply>,
): void {
  const leftMs = Math.min(plan.timeouts.total, waitsMs, deadlineAt - clock.now());
  headers.push("x-deadline-ms", `${Math.max(0, Math.floor(leftMs))}`);
}

/** What the client gets to see of a call that failed. */
function refusalOf(error: unknown): Refusal {
  if (!(error instanceof UpstreamError)) throw error;
  // The client's own body ended the call: too long, or it left.
  const { cause } = error;
  if (cause instanceof ServiceError && cause.source === "client") return new Refusal(cause.reason);
  return new Refusal(error.reason, error.retryAfterMs);
}
