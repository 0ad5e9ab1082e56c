/**
 * Starts one child process: niceness, private inspector, piped output, and (only where sockets are handed over) the
 * runtime's IPC pipe. Children stay in the supervisor's session, where niceness counts; see join_supervisor.ts for signals.
 */
import type { Socket } from "node:net";

/** What to start. */
export interface SpawnOptions {
  /** File URL or path of the entry module. */
  entry: string;
  env: Record<string, string>;
  /** Added niceness; 0 = as the supervisor. */
  nice: number;
  /** Sockets will be handed over: costs the IPC pipe of node:child_process. */
  ipc: boolean;
}

/** How a process ended. */
export interface ProcessExit {
  code: number;
  /** `SIGKILL` …; empty when it exited by itself. */
  signal: string;
}

/** A running child. */
export interface ChildProcess {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly exited: Promise<ProcessExit>;
  /** SIGKILL; nothing happens when it is gone. */
  kill(): void;
  /**
   * Hands `socket` over with `message`; only with `ipc`. Resolves with true when it is sent and with false when the child is
   * gone. The next one must wait until the child has taken this one: what the runtime queues it never lets go of again
   * when the child dies.
   */
  sendSocket?(message: Record<string, unknown>, socket: Socket): Promise<boolean>;
}

/** Starts a child. Throws when the runtime's own executable cannot be started. */
export async function spawnChild(options: SpawnOptions): Promise<ChildProcess> {
  const entry = options.entry.startsWith("file:")
    ? decodeURIComponent(new URL(options.entry).pathname)
    : options.entry;
  const run = [
    "run",
    "-A",
    "--unstable-net",
    "--unstable-no-legacy-abort",
    "--no-prompt",
    "--inspect=127.0.0.1:0",
    "--inspect-publish-uid=stderr",
  ];
  const args = [...run, entry];
  const niced = options.nice !== 0 && Deno.build.os !== "windows";
  const command = niced ? "nice" : Deno.execPath();
  const all = niced ? ["-n", String(options.nice), Deno.execPath(), ...args] : args;
  const env = { ...options.env, DENO_NO_UPDATE_CHECK: "1" };
  return options.ipc ? await withIpc(command, all, env) : plain(command, all, env);
}

function plain(command: string, args: string[], env: Record<string, string>): ChildProcess {
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    exited: child.status.then(({ code, signal }) => ({ code, signal: signal ?? "" })),
    kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It was faster.
      }
    },
  };
}

async function withIpc(command: string, args: string[], env: Record<string, string>): Promise<ChildProcess> {
  const { spawn } = await import("node:child_process");
  const { Readable } = await import("node:stream");
  const child = spawn(command, args, {
    env: { ...Deno.env.toObject(), ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  // Errors of the pipe to a dying child arrive here as well; its exit says it all.
  child.on("error", () => {});
  return {
    pid: child.pid!,
    stdout: Readable.toWeb(child.stdout!) as ReadableStream<Uint8Array>,
    stderr: Readable.toWeb(child.stderr!) as ReadableStream<Uint8Array>,
    exited: new Promise((resolve) =>
      child.once("exit", (code, signal) => resolve({ code: code ?? 0, signal: signal ?? "" }))
    ),
    kill: () => void child.kill("SIGKILL"),
    sendSocket: (message, socket) =>
      new Promise((resolve) => {
        if (!child.connected) return resolve(false);
        child.send(message, socket, (error) => resolve(!error));
      }),
  };
}
