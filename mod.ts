/**
 * Weir: one YAML file in, a production service out. This module is the public API and, run as a program, the command
 * line.
 *
 * ```ts
 * import { run } from "./mod.ts";
 *
 * await using service = await run("service.yaml");
 * await service.ready;
 * console.log(service.addresses.api);
 * ```
 */
import { run as runService, type RunOptions, type Service } from "./core/supervisor/run.ts";

export type {
  Context,
  Log,
  PoolHandle,
  RedisArgument,
  RedisValue,
  RequestInfo,
  SurveyReply,
  Upstream,
  UpstreamCallOptions,
  UserStats,
} from "./core/context.ts";
export type { ReloadAnswer, SupervisorState } from "./core/control.ts";
export type { Diagnostic } from "./core/manifest/mod.ts";
export { AlreadyRunning } from "./core/supervisor/runtime_folder.ts";
export { type ExitCode, exitCodes } from "./core/supervisor/exit_code.ts";
export { ServiceError } from "./core/errors.ts";
export { type FailureKind, UpstreamError } from "./core/upstream_error.ts";
export { RedisError } from "./protocols/redis/redis_error.ts";
export { ApplicationException } from "./protocols/thrift/application_exception.ts";
export { replyMeta } from "./protocols/thrift/reply_meta.ts";
export { ThriftException } from "./protocols/thrift/thrift_exception.ts";
export { ManifestError, type RunOptions, type Service } from "./core/supervisor/run.ts";
export { Multipart, multipart, ZmqMessage } from "./protocols/zmq/message.ts";
export type { KafkaBatchHandler, KafkaHandler } from "./protocols/kafka/handler.ts";
export type { KafkaRecord } from "./protocols/kafka/record.ts";
export type { ZmqHandler } from "./protocols/zmq/handler.ts";
export { weirVersion as version } from "./core/version.ts";

/**
 * Starts the service that `manifest`, a path or a manifest object, declares. Resolves when its first process is being
 * started; await `ready` for all of them. With `inProcess: true` one worker runs in this very process.
 *
 * Throws ManifestError (all diagnostics at once) when the manifest is wrong and AlreadyRunning when it runs already.
 */
export function run(manifest: string | object, options: RunOptions = {}): Promise<Service> {
  return runService(manifest, { parts, ...options });
}

async function parts() {
  const { protocols, serverFilters, upstreamParts } = await import("./protocols.ts");
  const watchEndpoints = async () => (await import("./governance/discovery/mod.ts")).watchEndpoints;
  return { protocols, filters: serverFilters, upstreams: upstreamParts, watchEndpoints, sinks };
}

async function sinks() {
  return (await import("./sinks.ts")).sinks;
}

if (import.meta.main) {
  const { main } = await import("./core/cli/main.ts");
  const { callCommand } = await import("./protocols/thrift/call_command.ts");
  const { spoolCommand } = await import("./core/cli/spool_command.ts");
  Deno.exit(await main(Deno.args, undefined, [callCommand, spoolCommand(sinks)]));
}
