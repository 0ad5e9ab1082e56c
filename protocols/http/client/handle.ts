/**
 * What `ctx.upstream(name)` is for http: the web's fetch, without its detours. Redirects are not followed, bodies are
 * neither unpacked nor asked for packed, and nothing is sent twice that must not be. The upstream is told the request id
 * (`x-request-id`), the place of the call in its tree (`x-rpc-id`), both in W3C's words (`traceparent`, `baggage`), who
 * calls (`x-client-name`), and how long its answer is waited for (`x-deadline-ms`, ms from when the call begins).
 */
import type { Upstream, UpstreamCallOptions } from "../../../core/context.ts";
import { childTraceparent, formatBaggage } from "../../../core/trace_context.ts";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { UpstreamHandle } from "../../../core/upstream/wrong_protocol.ts";
import { abortable } from "./abortable.ts";
import type { FlatHeaders, HttpReply, HttpRequest } from "./message.ts";
import { has, type Outgoing, outgoing } from "./outgoing.ts";
import { hasToken } from "./reply_head.ts";

/** May be sent twice (RFC 9110 section 9.2.2). */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
const printable = /^[!-~]{1,256}$/;

/** See the module's header. */
export class HttpHandle extends UpstreamHandle {
  readonly protocol = "http";
  readonly #caller: Caller<HttpRequest, HttpReply>;
  readonly #context: HandleContext;
  readonly #role: string | undefined;

  constructor(caller: Caller<HttpRequest, HttpReply>, context: HandleContext, role: string | undefined) {
    super();
    this.#caller = caller;
    this.#context = context;
    this.#role = role;
  }

  get name(): string {
    return this.#caller.name;
  }

  override role(role: string): Upstream {
    return new HttpHandle(this.#caller, this.#context, role);
  }

  /** Rejects with TypeError where the request cannot be made, with UpstreamError where the upstream cannot be had. */
  override async fetch(
    path: string | URL | Request,
    init?: RequestInit & UpstreamCallOptions,
  ): Promise<Response> {
    const made = outgoing(path, init);
    const request = made instanceof Promise ? await made : made;
    this.#tell(request, init?.timeoutMs);
    const signal = init?.signal ?? undefined;
    const options: CallOptions = {
      method: request.method,
      // A stream can be read once only.
      idempotent: !(request.body instanceof ReadableStream) &&
        (init?.idempotent ?? idempotent.has(request.method)),
    };
    if (this.#role !== undefined) options.role = this.#role;
    if (init?.key !== undefined) options.key = init.key;
    if (init?.timeoutMs !== undefined) options.timeoutMs = init.timeoutMs;
    if (signal) options.signal = signal;
    const reply = await this.#caller.call(request, this.#context, options);
    return toResponse(reply, signal);
  }

  #tell({ headers }: Outgoing, timeoutMs = Infinity): void {
    const { requestId, deadlineAt, requestMeta, trace } = this.#context;
    if (printable.test(requestId) && !has(headers, "x-request-id")) headers.push("x-request-id", requestId);
    if (!has(headers, "x-rpc-id")) headers.push("x-rpc-id", this.#context.nextRpcId());
    if (!has(headers, "traceparent")) headers.push("traceparent", childTraceparent(requestId, trace));
    const baggage = requestMeta === undefined || has(headers, "baggage") ? "" : formatBaggage(requestMeta);
    if (baggage !== "") headers.push("baggage", baggage);
    const { plan, clock, service } = this.#caller;
    if (service !== undefined && !has(headers, "x-client-name")) headers.push("x-client-name", service);
    if (has(headers, "x-deadline-ms")) return;
    const left = Math.min(plan.timeouts.total, timeoutMs, deadlineAt - clock.now());
    headers.push("x-deadline-ms", `${Math.max(0, Math.floor(left))}`);
  }
}

function toResponse(reply: HttpReply, signal: AbortSignal | undefined): Response {
  const { status } = reply;
  let { body } = reply;
  if (status === 204 || status === 205 || status === 304) {
    if (body instanceof ReadableStream) body.cancel().catch(() => {});
    body = null;
  } else if (signal && body instanceof ReadableStream) body = abortable(body, signal);
  return new Response(body as BodyInit | null, { status, headers: pairsOf(reply.headers) });
}

/** The fields that do not end at this hop. */
function pairsOf(headers: FlatHeaders): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  let connection = "";
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!, value = headers[i + 1]!;
    if (name === "connection") connection += `,${value}`;
    else if (!hop.has(name)) pairs.push([name, value]);
  }
  if (connection === "" || connection === ",keep-alive" || connection === ",close") return pairs;
  return pairs.filter(([name]) => !hasToken(connection, name));
}

const hop = new Set(["keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);
