/** A caller without policies: every call on one session, which is made when there is none. */
import { systemClock } from "../../../../core/clock.ts";
import type { UpstreamPlan } from "../../../../core/manifest/plan.ts";
import type { Caller, CallOptions, CallOwner, HandleContext, Session } from "../../../../core/upstream/contract.ts";
import type { HttpReply, HttpRequest } from "../message.ts";
import { httpUpstream } from "../mod.ts";
import { hostFor, TestAttempt } from "./session_host.ts";

export class DirectCaller implements Caller<HttpRequest, HttpReply> {
  readonly name = "users";
  readonly clock = systemClock;
  readonly plan: UpstreamPlan;
  readonly log;
  readonly address: string;
  /** Of the calls that were made. */
  readonly requests: HttpRequest[] = [];
  readonly options: CallOptions[] = [];
  #session: Session<HttpRequest, HttpReply> | undefined;

  constructor(address: string, plan: UpstreamPlan) {
    this.address = address;
    this.plan = plan;
    this.log = hostFor(address, plan).log;
  }

  async call(request: HttpRequest, _owner: CallOwner, options: CallOptions): Promise<HttpReply> {
    this.requests.push(request);
    this.options.push(options);
    if (!this.#session?.open) {
      const [hostname, port] = this.address.split(":") as [string, string];
      const conn = await Deno.connect({ hostname, port: Number(port) });
      this.#session = await httpUpstream.connect(conn, hostFor(this.address, this.plan));
    }
    const attempt = new TestAttempt(request);
    this.#session.start(attempt);
    return await attempt.reply;
  }

  close(): void {
    this.#session?.close(true);
  }
}

export function contextOf(changes: Partial<HandleContext> = {}): HandleContext {
  return { deadlineAt: Infinity, abandoned: false, requestId: "id-1", nextRpcId: () => "1.1", ...changes };
}
