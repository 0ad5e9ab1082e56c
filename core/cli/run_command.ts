/** `run`, the command that is meant when none is named: runs a service until it is told to stop. */
import type { SupervisorState } from "../control.ts";
import type { Plan } from "../manifest/plan.ts";
import { type ExitCode, exitCodes } from "../supervisor/exit_code.ts";
import { compileToRun, supervise } from "../supervisor/run.ts";
import type { Entries } from "../supervisor/supervisor_options.ts";
import { AlreadyRunning } from "../supervisor/runtime_folder.ts";
import type { Given, Terminal } from "./command.ts";
import { usualManifest } from "./find_service.ts";
import { reportProblems } from "./manifest_commands.ts";
import { watchedFolders, watchFiles } from "./watch_files.ts";

/** Runs the service until it is told to stop; resolves with the exit code. */
export async function runService(
  { words, options }: Given,
  terminal: Terminal,
  entries?: Entries,
): Promise<ExitCode> {
  const file = words[0] ?? usualManifest;
  const { plan, diagnostics } = compileToRun(file);
  if (plan === undefined) {
    await reportProblems(diagnostics, terminal, options.json === true);
    return exitCodes.wrong;
  }
  const human = terminal.human && options.json === undefined;
  try {
    const service = await supervise(file, plan, {
      signals: true,
      terminal: human,
      ...(entries ? { entries } : {}),
    });
    let unwatch = () => {};
    service.ready.then(() => {
      if (options.watch) unwatch = watch(service.supervisor.plan, service.reload.bind(service), terminal);
      if (human) terminal.out(summary(service.status(), plan));
    }, () => {});
    const { code, message } = await service.ended;
    unwatch();
    if (message !== "") terminal.err(message);
    return code;
  } catch (error) {
    if (!(error instanceof AlreadyRunning)) throw error;
    terminal.err(error.message);
    return exitCodes.unreachable;
  }
}

function watch(
  plan: Plan,
  reload: () => Promise<unknown>,
  terminal: { err(text: string): void },
): () => void {
  let reloading = false;
  let again = false;
  const saved = async (): Promise<void> => {
    again = reloading;
    if (reloading) return;
    reloading = true;
    await reload().catch((error) => terminal.err((error as Error).message));
    reloading = false;
    if (again) await saved();
  };
  return watchFiles(watchedFolders(plan), () => void saved());
}

/** What to know first: who it is, and where it listens. */
export function summary({ service, version, pid, addresses }: SupervisorState, plan: Plan): string {
  const head = `${service}${version ? ` ${version}` : ""}, pid ${pid}, workers ${plan.workers.count}`;
  const rows = Object.entries(addresses).flatMap(([name, texts]) =>
    texts.map((text) => [name, urlOf(name === "meta" ? "http" : plan.listeners[name]!, text)] as const)
  );
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return [head, ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join("\n");
}

function urlOf(listener: "http" | Plan["listeners"][string], address: string): string {
  if (address.startsWith("unix:")) return address;
  if (listener === "http") return `http://${address}`;
  const tls = "tls" in listener && listener.tls !== null;
  if (listener.protocol === "http") return `${tls ? "https" : "http"}://${address}`;
  return `${address} (${listener.protocol}${tls ? ", TLS" : ""})`;
}
