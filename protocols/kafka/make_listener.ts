/**
 * The listener of protocol kafka, made from its plan. Everything that cannot work is found here, but for the brokers:
 * those may come later.
 */
import { join } from "node:path";
import type { SocketServer } from "../../core/protocol.ts";
import type { Scope } from "../../core/scope.ts";
import type { Service } from "../../core/service.ts";
import { traceIdOf, validTraceparent } from "../../core/trace_context.ts";
import { loadCodec } from "../codec/codec.ts";
import type { KafkaHost } from "./calls.ts";
import { connectionOptions } from "./connection_options.ts";
import { ConsumerClient } from "./consumer_client.ts";
import { DeadLetters } from "./dead_letters.ts";
import { handlerOf, serviceOf } from "./handler.ts";
import type { Job } from "./job.ts";
import { toPool } from "./pool_call.ts";
import { headersOf } from "./record.ts";
import { KafkaServer } from "./server.ts";

const adapter = new URL("./pool_adapter.ts", import.meta.url).href;
/** Names of headers that say which call tree a record belongs to. */
const known = { id: "x-request-id", trace: "traceparent" };
const longestId = 128;

/** Throws TypeError for a plan that cannot work, and what the file system says of certificates. */
export async function makeListener(host: KafkaHost, scope: Scope): Promise<SocketServer> {
  const { plan } = host;
  const pooled = plan.run !== "inline";
  const codec = await loadCodec(plan.codec);
  const service = pooled ? poolService(host) : await inlineService(host);
  host.identify = (job) => identityOf(job, plan.topic);
  const connection = await connectionOptions(plan, host.member);
  const server = new KafkaServer({
    ...{ host, codec, service, pooled },
    client: new ConsumerClient({
      ...{ connection, topic: plan.topic, group: plan.group, sessionMs: plan.session },
      // All members wait for the slowest to end its calls, which gets a session for it.
      rebalanceMs: 2 * plan.session,
    }),
    deadLetters: new DeadLetters(join(plan.deadLetters, `${host.name}.jsonl`)),
  });
  scope.defer(() => server.close());
  return server;
}

async function inlineService(host: KafkaHost): Promise<Service<Job, undefined>> {
  const { handler } = host.plan;
  return serviceOf(handlerOf(await host.load(handler), `\`${handler.export}\` of ${handler.module}`));
}

function poolService(host: KafkaHost): Service<Job, undefined> {
  const { plan: { run, handler, codec, topic, batch } } = host;
  const call = host.onPool(run, adapter, handler);
  return (job, context) =>
    call(toPool(job, topic, codec, batch > 1), context.signal, context.deadline).then(
      () => undefined,
      (error) => {
        job.error = error;
        throw error;
      },
    );
}

/** A record belongs to the call tree that its headers name; else its place is its id. */
function identityOf({ partition, handed }: Job, topic: string) {
  const first = handed[0];
  if (!first) return {};
  const own = `${topic}-${partition.index}-${first.offset}`;
  if (first.headers.length === 0 || handed.length > 1) return { id: own };
  const headers = headersOf(first);
  const trace = validTraceparent(headers[known.trace] ?? "");
  const id = (headers[known.id] ?? "").slice(0, longestId) || (trace ? traceIdOf(trace) : own);
  return trace ? { id, trace } : { id };
}
