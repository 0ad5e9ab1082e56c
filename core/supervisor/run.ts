/**
 * Runs a service from a manifest: compile, supervise, and hand out the means to look at it and to stop it. The front door
 * for programs that embed a service and for the command line. Loads the YAML parser and the schema library.
 */
import type { Clock } from "../clock.ts";
import type { ReloadAnswer, SupervisorState } from "../control.ts";
import {
  compile,
  compileFile,
  type CompileResult,
  type Diagnostic,
  formatDiagnostics,
  unavailable,
} from "../manifest/mod.ts";
import { weirVersion } from "../version.ts";
import type { Compiled } from "./event.ts";
import { exitCodes } from "./exit_code.ts";
import type { InProcess, WorkerParts } from "./run_in_process.ts";
import { manifestHash, runtimeFolderPath } from "./runtime_folder.ts";
import { Supervisor } from "./supervisor.ts";
import type { Ending, Entries } from "./supervisor_options.ts";

/** Options of {@link run}. */
export interface RunOptions {
  /** One worker in this very process, for tests and debuggers: no children, no meta pages, no replacement. */
  inProcess?: boolean;
  /** Environment for `${NAME}` in the manifest, and added to the children's; this process's own where not given. */
  env?: Record<string, string>;
  /** SIGTERM, SIGINT, SIGHUP and SIGUSR2 of this process drive the service; false where not given. */
  signals?: boolean;
  /** "snapshot": statistics as where files cannot be mapped. */
  stats?: "auto" | "snapshot";
  /** "tcp": control as where there are no unix sockets. */
  control?: "unix" | "tcp";
  /** As in `Deno.build.os`: how the manifest is read, such as which accept mode is the default. */
  platform?: string;
  /** Other programs than Weir's own as children. */
  entries?: Entries;
  /** What a worker in this process is made from; only for `inProcess`. */
  parts?: () => Promise<WorkerParts>;
  clock?: Clock;
  /** People read stdout at a terminal; asked of it where not given. */
  terminal?: boolean;
}

/** A running service. */
export interface Service {
  /** Resolves when every process is ready; rejects when the service ends before that. */
  readonly ready: Promise<void>;
  /** Resolves when it has stopped, with the exit code that the command line would give. */
  readonly ended: Promise<Ending>;
  /** Where each listener listens, in the order of its `listen`; `meta` for the pages. Port 0 is resolved. */
  readonly addresses: Record<string, string[]>;
  /** Reads the manifest again; resolves when the new generation serves. Rejects, with the reason, when it does not. */
  reload(): Promise<ReloadAnswer>;
  /** Finishes what is in flight and stops. */
  stop(): Promise<Ending>;
  status(): SupervisorState;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The manifest cannot be run; `message` holds all diagnostics as text. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(`Cannot run the manifest:\n${formatDiagnostics(diagnostics)}`);
    this.diagnostics = diagnostics;
  }
}

/** Compiles `manifest`, a path or a manifest object, for running: parts that are not there yet are problems too. */
export function compileToRun(
  manifest: string | object,
  { env, platform }: Pick<RunOptions, "env" | "platform"> = {},
): CompileResult {
  const options = {
    ...(env ? { env: { ...Deno.env.toObject(), ...env } } : {}),
    ...(platform ? { platform } : {}),
  };
  const result = typeof manifest === "string" ? compileFile(manifest, options) : compile(manifest, options);
  const refused = unavailable(result);
  if (refused.length === 0) return result;
  return { diagnostics: refused, places: result.places };
}

/**
 * Starts the service that `manifest`, a path or a manifest object, declares. Throws ManifestError when it is wrong and
 * AlreadyRunning when this manifest runs already.
 *
 * ```ts
 * await using service = await run("service.yaml");
 * await service.ready;
 * console.log(service.addresses.api);
 * ```
 */
export async function run(manifest: string | object, options: RunOptions = {}): Promise<Service> {
  const result = compileToRun(manifest, options);
  if (result.plan === undefined) throw new ManifestError(result.diagnostics);
  if (options.inProcess) {
    if (options.parts === undefined) {
      throw new TypeError("Cannot run in this process: no protocols are given");
    }
    const { runInProcess } = await import("./run_in_process.ts");
    return inProcessService(await runInProcess(result.plan, await options.parts(), options));
  }
  return await supervise(manifest, result.plan, options);
}

/** Like {@link run}, for a plan that is compiled already. */
export async function supervise(
  manifest: string | object,
  plan: NonNullable<CompileResult["plan"]>,
  options: RunOptions = {},
): Promise<SupervisedService> {
  const hash = typeof manifest === "string" ? await manifestHash(manifest) : crypto.randomUUID().slice(0, 12);
  const supervisor = new Supervisor({
    plan,
    runtimeFolder: runtimeFolderPath(plan.service, hash),
    entries: options.entries ?? {
      worker: new URL("../../worker.ts", import.meta.url).href,
      governor: new URL("../../governor.ts", import.meta.url).href,
      shipper: new URL("../../shipper.ts", import.meta.url).href,
    },
    weir: weirVersion,
    compile: (): Compiled => {
      const again = compileToRun(manifest, options);
      return again.plan ? { plan: again.plan } : { problem: formatDiagnostics(again.diagnostics) };
    },
    terminal: options.terminal ?? Deno.stdout.isTerminal(),
    ...(options.env ? { env: options.env } : {}),
    ...(options.stats ? { stats: options.stats } : {}),
    ...(options.control ? { control: options.control } : {}),
    ...(options.clock ? { clock: options.clock } : {}),
  });
  supervisor.start();
  return new SupervisedService(supervisor, options.signals ?? false);
}

/** A service whose processes are children of this one. */
export class SupervisedService implements Service {
  readonly supervisor: Supervisor;
  readonly ready: Promise<void>;
  readonly ended: Promise<Ending>;

  constructor(supervisor: Supervisor, signals: boolean) {
    this.supervisor = supervisor;
    this.ready = supervisor.ready;
    const release = signals ? listenToSignals(supervisor) : () => {};
    this.ended = supervisor.ended.finally(release);
  }

  get addresses(): Record<string, string[]> {
    return this.supervisor.addresses;
  }

  async reload(): Promise<ReloadAnswer> {
    const answer = await this.supervisor.command({ type: "reload", wait: true }) as ReloadAnswer;
    if (!answer.ok) throw new Error(`Cannot reload: ${answer.message}`);
    return answer;
  }

  async stop(): Promise<Ending> {
    await this.supervisor.command({ type: "drain" });
    return await this.ended;
  }

  status(): SupervisorState {
    return this.supervisor.status();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function listenToSignals(supervisor: Supervisor): () => void {
  const names: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"];
  const handlers = names.map((name) => [name, () => supervisor.signal(name)] as const);
  for (const [name, handler] of handlers) Deno.addSignalListener(name, handler);
  return () => {
    for (const [name, handler] of handlers) Deno.removeSignalListener(name, handler);
  };
}

function inProcessService(worker: InProcess): Service {
  const startedAt = Date.now();
  const ended = Promise.withResolvers<Ending>();
  let stopping: Promise<Ending> | undefined;
  const stop = () =>
    stopping ??= worker.drain().then((left) => {
      ended.resolve({ code: left > 0 ? exitCodes.cutOff : exitCodes.clean, message: "" });
      return ended.promise;
    });
  return {
    ready: Promise.resolve(),
    ended: ended.promise,
    addresses: worker.addresses,
    reload: () =>
      Promise.reject(new TypeError("Cannot reload: the worker is in this process; start it again")),
    stop,
    status: () => ({
      type: "state",
      service: worker.plan.service,
      version: worker.plan.version ?? "",
      weir: weirVersion,
      pid: Deno.pid,
      startedAt,
      generation: 1,
      phase: stopping ? "draining" : "running",
      ready: stopping === undefined,
      notReady: stopping ? ["the service is stopping"] : [],
      children: [],
      exits: [],
      addresses: worker.addresses,
      lastReload: null,
    }),
    [Symbol.asyncDispose]: async () => void await stop(),
  };
}
