/**
 * Redis as an upstream: `ctx.upstream("cache").command("GET", key)`. RESP3, or RESP2 where a server speaks no more.
 *
 * All callers of a worker share one connection per endpoint: {@link pipelined} commands at once fit on it, further
 * connections, up to `pool.connections`, are opened only when they do not. Commands of one turn of the loop leave in one
 * write. Only commands that do nothing but read are sent twice (retry, hedge) once they may have reached the server.
 * Error replies are thrown as {@link RedisError} and are no failures of the endpoint, except those of {@link downCodes}.
 *
 * Replies are what the server says: a hash is a Map on RESP3 and a list of fields and values on RESP2. Commands that
 * block, or that alter the connection, are refused; {@link RedisHandle} has `transaction` and `subscribe` for the rest.
 *
 * Left out: the protocols of Redis Cluster and Sentinel. `MOVED` and `ASK` reach the caller as RedisError; several
 * masters can be endpoints of one upstream with `balance: ringHash`, keys then decide who is asked.
 */
import type { Upstream } from "../../core/context.ts";
import type { UpstreamPlan } from "../../core/manifest/plan.ts";
import type { UpstreamProtocol, Verdict } from "../../core/upstream/contract.ts";
import { commandOf } from "./commands.ts";
import { RedisHandle } from "./handle.ts";
import { shakeHands } from "./handshake.ts";
import { ErrorReply } from "./redis_error.ts";
import type { RedisReply } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";
import { RedisSession } from "./session.ts";

export { downCodes, RedisError } from "./redis_error.ts";
export type { RedisReply } from "./reply_decoder.ts";
export type { RedisRequest } from "./request.ts";

/** Commands at once on one connection, unless `pool.pipeline` says more. */
export const pipelined = 1024;

const good: Verdict = Object.freeze({ ok: true, status: 0, retryAfterMs: 0 });
const down: Verdict = Object.freeze({ ok: false, status: 503, retryAfterMs: 0 });
const ping: RedisRequest = { command: commandOf("PING"), args: [], bytes: false, steps: undefined };

/** See the module's header. */
export const redisUpstream = {
  kind: "upstreamProtocol",
  name: "redis",
  alpn: () => [],
  pipeline: capacityOf,
  async connect(stream, host) {
    return new RedisSession(stream, host, await shakeHands(stream, host), capacityOf(host.plan));
  },
  judge: (reply) => reply instanceof ErrorReply && reply.error.down ? down : good,
  probe: () => ({ request: ping, good: (reply) => reply === "PONG" }),
  handle: (caller, context) => new RedisHandle(caller, context),
} satisfies UpstreamProtocol<RedisRequest, RedisReply, Upstream>;

function capacityOf({ pool }: Pick<UpstreamPlan, "pool">): number {
  return Math.max(pipelined, pool.pipeline);
}
