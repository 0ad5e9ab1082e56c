/** One call over a connection of its own: no pool, no policies. For the command line. */
import { UsageError } from "../../core/cli/command.ts";
import { systemClock } from "../../core/clock.ts";
import type { Log } from "../../core/context.ts";
import { Endpoint } from "../../core/endpoint.ts";
import type { UpstreamPlan } from "../../core/manifest/plan.ts";
import type { Attempt, Caller, Session } from "../../core/upstream/contract.ts";
import { dial } from "../../core/upstream/dial.ts";
import { type TlsMaterial, tlsMaterial } from "../../core/upstream/dial_tls.ts";
import { UpstreamError } from "../../core/upstream_error.ts";
import { ApplicationException } from "./application_exception.ts";
import type { ThriftCall } from "./client/call.ts";
import { thriftUpstream } from "./client/mod.ts";
import { IdlError } from "./idl/idl_error.ts";
import { ThriftException } from "./thrift_exception.ts";

/** What is called, and how. */
export interface SingleCall {
  readonly address: string;
  readonly idl: string;
  readonly method: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly service: string | undefined;
  readonly transport: "buffered" | "framed";
  readonly protocol: "binary" | "compact";
  readonly timeoutMs: number;
  readonly tracking: boolean;
  /** TLS, with these files; without it the connection is plain. */
  readonly tls?: UpstreamPlan["tls"];
}

/** What came of it. */
export type Outcome =
  | { kind: "reply"; value: unknown }
  | { kind: "thrown"; name: string; fields: Readonly<Record<string, unknown>> }
  | { kind: "unreachable"; text: string };

const mostReplyBytes = 256 * 1024 * 1024;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Rejects with UsageError where the IDL, the method, the arguments or the files of TLS are wrong. */
export async function callOnce(call: SingleCall): Promise<Outcome> {
  const tls = materialOf(call);
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), call.timeoutMs);
  try {
    return { kind: "reply", value: await over(call, tls, limit.signal) };
  } catch (error) {
    if (error instanceof ThriftException) return { kind: "thrown", name: error.name, fields: error.fields };
    if (error instanceof ApplicationException) {
      return {
        kind: "thrown",
        name: "TApplicationException",
        fields: { type: error.kind, message: error.message },
      };
    }
    if (error instanceof UpstreamError) return { kind: "unreachable", text: textOf(call, error) };
    const wrong = error instanceof TypeError || error instanceof IdlError || error instanceof RangeError ||
      error instanceof Deno.errors.NotFound;
    throw wrong ? new UsageError(error.message.replace(" of upstream call:", ":")) : error;
  } finally {
    clearTimeout(timer);
  }
}

function materialOf({ tls = null }: SingleCall): TlsMaterial | undefined {
  try {
    return tlsMaterial({ tls });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Without the name of an upstream: there is none. */
function textOf({ address }: SingleCall, { message }: UpstreamError): string {
  return message.replace(" of upstreams.call", "").replace(`Cannot connect to ${address}: Cannot`, "Cannot");
}

async function over(call: SingleCall, tls: TlsMaterial | undefined, signal: AbortSignal): Promise<unknown> {
  const { address, idl, method, args, service = null, transport, protocol, timeoutMs, tracking } = call;
  const plan = {
    thrift: { idl, service, transport, protocol, tracking, client: null, multiplex: 1, ping: null },
    limits: { reply: mostReplyBytes, head: 0 },
    timeouts: { connect: timeoutMs, attempt: timeoutMs, total: timeoutMs },
  } as unknown as UpstreamPlan;
  const send = async (request: ThriftCall): Promise<unknown> => {
    const spec = { address, weight: 1, role: null, priority: 0 };
    const { stream } = await dial("call", spec, tls, thriftUpstream.alpn(), timeoutMs);
    let session: Session<ThriftCall, unknown> | undefined;
    signal.addEventListener("abort", () => session ? session.close(true) : stream.close());
    try {
      session = await thriftUpstream.connect(stream, {
        upstream: "call",
        endpoint: new Endpoint(0, spec),
        plan,
        clock: systemClock,
        log: silent,
        tls: tls !== undefined,
        alpn: "",
        changed() {},
      });
    } catch (error) {
      if (!signal.aborted) stream.close();
      throw signal.aborted ? late(call) : error;
    }
    try {
      return await new Promise((resolve, reject) => session!.start(attemptOf(request, resolve, reject)));
    } catch (error) {
      throw signal.aborted ? late(call) : error;
    } finally {
      session.close(true);
    }
  };
  const caller: Caller<ThriftCall, unknown> = {
    name: "call",
    plan,
    clock: systemClock,
    log: silent,
    call: send,
  };
  const context = {
    deadlineAt: Infinity,
    abandoned: false,
    requestId: tracking ? crypto.randomUUID() : "",
    nextRpcId: () => "1",
  };
  return await thriftUpstream.handle(caller, context).call(method, args);
}

function attemptOf(
  request: ThriftCall,
  succeed: (reply: unknown) => void,
  fail: (error: UpstreamError) => void,
): Attempt<ThriftCall, unknown> {
  return { request, timeoutAt: Infinity, sent: false, succeed, fail, release() {} };
}

function late({ address, timeoutMs }: SingleCall): UpstreamError {
  return new UpstreamError("timeout", `No reply from ${address} within ${timeoutMs} ms`);
}
