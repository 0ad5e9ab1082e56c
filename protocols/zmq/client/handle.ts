/** What handlers get of a zmq upstream: `request`, `send`, `publish` or `survey`, as its sockets can. */
import type { SurveyReply, Upstream, UpstreamCallOptions } from "../../../core/context.ts";
import { ServiceError } from "../../../core/errors.ts";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { UpstreamError } from "../../../core/upstream_error.ts";
import { UpstreamHandle } from "../../../core/upstream/wrong_protocol.ts";
import { loadCodec, loadedCodec } from "../../codec/codec.ts";
import { encodeParts } from "../handler.ts";
import { isRefusal } from "../refusal_parts.ts";
import type { ZmqReply, ZmqRequest } from "./request.ts";

type ZmqCaller = Caller<ZmqRequest, ZmqReply>;
type Method = "request" | "send" | "publish" | "survey";

/** Which sockets can do it. */
const sockets: Readonly<Record<Method, readonly string[]>> = {
  request: ["dealer", "req", "pair"],
  send: ["push", "pair"],
  publish: ["pub", "xpub"],
  survey: ["dealer"],
};

const encoder = new TextEncoder();

/** See the module's header. */
export class ZmqHandle extends UpstreamHandle {
  readonly protocol = "zmq";
  readonly name: string;
  readonly #caller: ZmqCaller;
  readonly #context: HandleContext;
  readonly #role: string | undefined;

  constructor(caller: ZmqCaller, context: HandleContext, role?: string) {
    super();
    this.name = caller.name;
    this.#caller = caller;
    this.#context = context;
    this.#role = role;
  }

  override role(role: string): Upstream {
    return new ZmqHandle(this.#caller, this.#context, role);
  }

  // deno-lint-ignore no-explicit-any
  override async request(message: unknown, options?: UpstreamCallOptions): Promise<any> {
    this.#can("request");
    return this.#valueOf(
      await this.#call(await this.#encoded(message, true), { ...options, method: "request" }),
    );
  }

  override async send(message: unknown, options?: UpstreamCallOptions): Promise<void> {
    this.#can("send");
    await this.#call(await this.#encoded(message, false), { ...options, method: "send" });
  }

  override async publish(topic: string, message: unknown): Promise<void> {
    this.#can("publish");
    const request = { ...await this.#encoded(message, false), topic: encoder.encode(topic) };
    const calls = [...this.#endpoints()].map((endpoint) =>
      this.#call(request, { method: "publish", endpoint })
    );
    // Without endpoints the caller says why.
    if (calls.length === 0) calls.push(this.#call(request, { method: "publish" }));
    await Promise.any(calls).catch((error: AggregateError) => {
      throw error.errors[0];
    });
  }

  override async survey(message: unknown, options: { timeoutMs?: number } = {}): Promise<SurveyReply[]> {
    this.#can("survey");
    const request = await this.#encoded(message, true);
    const replies: SurveyReply[] = [];
    const calls = [...this.#endpoints()].map(async (endpoint) => {
      try {
        const reply = await this.#call(request, { ...options, method: "survey", endpoint });
        replies.push({ endpoint: endpoint.spec.address, value: this.#valueOf(reply) });
      } catch (error) {
        // Who does not answer in time is missing in the replies; what that was, the statistics know.
        if (!(error instanceof ServiceError)) throw error;
      }
    });
    await Promise.all(calls);
    return replies;
  }

  #endpoints() {
    const { endpoints } = this.#caller;
    return endpoints ? endpoints.call(this.#caller) : [];
  }

  #call(request: ZmqRequest, options: CallOptions): Promise<ZmqReply> {
    const { endpoint } = options;
    const role = endpoint ? undefined : this.#role;
    return this.#caller.call(request, this.#context, role === undefined ? options : { ...options, role });
  }

  /** Throws TypeError where the value cannot be encoded. */
  async #encoded(message: unknown, answered: boolean): Promise<ZmqRequest> {
    const { codec: name } = this.#caller.plan.zmq;
    const codec = loadedCodec(name) ?? await loadCodec(name);
    return { body: encodeParts(message, codec), topic: undefined, answered };
  }

  #can(method: Method): void {
    const { socket } = this.#caller.plan.zmq;
    if (sockets[method].includes(socket)) return;
    throw new TypeError(
      `Cannot ${method} on upstream ${this.name}: its socket is ${socket}; ${method} needs ${
        sockets[method].join(" or ")
      }`,
    );
  }

  /** Throws UpstreamError for a refusal. */
  #valueOf({ parts }: ZmqReply): unknown {
    if (parts.length !== 1) return parts;
    const [value] = parts;
    if (!isRefusal(value)) return value;
    const { name } = this;
    throw new UpstreamError("status", `upstreams.${name} has refused: ${value.error}`, {
      upstream: name,
      sent: true,
      retryAfterMs: value.retryAfterMs,
    });
  }
}
