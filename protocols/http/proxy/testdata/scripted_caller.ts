/** A Caller whose upstream is a function of the test's, and a context of a request to go with it. */
import { systemClock } from "../../../../core/clock.ts";
import type { Context } from "../../../../core/context.ts";
import type { UpstreamPlan } from "../../../../core/manifest/plan.ts";
import type { Caller, CallOptions, CallOwner } from "../../../../core/upstream/contract.ts";
import type { HttpReply, HttpRequest } from "../../client/message.ts";

/** One call as the upstream saw it. */
export interface SeenCall {
  request: HttpRequest;
  owner: CallOwner;
  options: CallOptions;
}

/** Answers every call with `answer`; `calls` are those that came. */
export function scriptedCaller(
  answer: (request: HttpRequest) => HttpReply | Promise<HttpReply>,
  balance: UpstreamPlan["balance"] = "p2c",
): Caller<HttpRequest, HttpReply> & { calls: SeenCall[] } {
  const calls: SeenCall[] = [];
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  return {
    name: "users",
    plan: { balance, timeouts: { connect: 250, attempt: 1000, total: 3000 } } as UpstreamPlan,
    clock: systemClock,
    log,
    calls,
    async call(request, owner, options) {
      calls.push({ request, owner, options });
      return await answer(request);
    },
  };
}

/** A reply with a body of text. */
export function reply(status: number, headers: string[] = [], text: string | null = ""): HttpReply {
  const body = text === null ? null : new TextEncoder().encode(text);
  return { status, headers, body, bodyBytes: body?.length ?? -1 };
}

/** What of a context the proxy looks at. */
export function contextOf(address = "192.0.2.7", id = "id-1", deadlineAt = Infinity): Context {
  const request = { id, rpcId: "1", client: "web", address, meta: {} };
  return { request, deadlineAt, abandoned: false } as unknown as Context;
}

/** The values of field `name`, in order. */
export function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1] === name);
}
