/** What handlers get of a frames upstream: `request` with `pattern: requestReply`, `send` with `oneWay`. */
import type { Upstream, UpstreamCallOptions } from "../../../core/context.ts";
import type { Caller, CallOptions, HandleContext } from "../../../core/upstream/contract.ts";
import { UpstreamHandle } from "../../../core/upstream/wrong_protocol.ts";
import type { Framing } from "../framing.ts";

type FramesCaller = Caller<Uint8Array, Uint8Array>;

const requestOptions: CallOptions = Object.freeze({ method: "request", idempotent: false });
const sendOptions: CallOptions = Object.freeze({ method: "send", idempotent: false });

/** See the module's header. */
export class FramesHandle extends UpstreamHandle {
  readonly protocol = "frames";
  readonly name: string;
  readonly #caller: FramesCaller;
  readonly #context: HandleContext;
  readonly #framing: Framing;
  readonly #role: string | undefined;

  constructor(caller: FramesCaller, context: HandleContext, framing: Framing, role?: string) {
    super();
    this.name = caller.name;
    this.#caller = caller;
    this.#context = context;
    this.#framing = framing;
    this.#role = role;
  }

  override role(role: string): Upstream {
    return new FramesHandle(this.#caller, this.#context, this.#framing, role);
  }

  override request(frame: Uint8Array, options?: UpstreamCallOptions): Promise<Uint8Array> {
    if (this.#caller.plan.pattern === "oneWay") throw this.#otherPattern("request", "send");
    this.#check(frame);
    return this.#caller.call(frame, this.#context, this.#options(requestOptions, options));
  }

  override async send(frame: Uint8Array, options?: UpstreamCallOptions): Promise<void> {
    if (this.#caller.plan.pattern !== "oneWay") throw this.#otherPattern("send", "request");
    this.#check(frame);
    await this.#caller.call(frame, this.#context, this.#options(sendOptions, options));
  }

  #options(base: CallOptions, options: UpstreamCallOptions | undefined): CallOptions {
    const role = this.#role;
    return options === undefined && role === undefined ? base : { ...base, ...options, role };
  }

  #otherPattern(method: string, instead: string): TypeError {
    const { pattern } = this.#caller.plan;
    return new TypeError(
      `Cannot ${method} on upstream ${this.name}: its pattern is ${pattern}, use ${instead}()`,
    );
  }

  #check(frame: Uint8Array): void {
    if (!(frame instanceof Uint8Array)) {
      throw new TypeError(`Cannot send to upstream ${this.name}: a frame is a Uint8Array`);
    }
    const { maxBytes } = this.#framing;
    const misfit = frame.length > maxBytes
      ? `${frame.length} bytes; at most ${maxBytes}`
      : this.#framing.misfit(frame);
    if (misfit === undefined) return;
    throw new RangeError(
      `Cannot send to upstream ${this.name}: the frame does not fit its framing: ${misfit}`,
    );
  }
}
