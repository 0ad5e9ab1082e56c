/**
 * A program under measurement: started, waited for until it answers, looked at, stopped by its process ids. Knows
 * nothing of what it measures.
 */

/** How a program is started. */
export interface ProgramOptions {
  /** The command and its arguments; `{copies}` processes of it are started. */
  command: readonly string[];
  /** How many processes of the command; a program that forks by itself has 1. */
  copies?: number;
  cwd?: string;
  env?: Record<string, string>;
  /** Cores it may use, as `taskset -c` takes them; all unless given. */
  cpus?: string;
  /** A plain HTTP URL that answers 200 once the program serves; or a question of one's own, asked until it is true. */
  url: string | (() => Promise<boolean>);
  /** Longest wait for the first answer. */
  startMs?: number;
}

/** A running program; dispose of it to end it. */
export interface Program {
  /** From the start of the processes to the first answer. */
  readonly startedMs: number;
  /** Every process it consists of right now: its own and all their descendants. */
  processes(): ProcessFigures[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** One process as /proc shows it. */
export interface ProcessFigures {
  pid: number;
  command: string;
  rssBytes: number;
  /** Processor time so far, of all its threads, in user and kernel. */
  cpuSeconds: number;
}

/** Starts a program and resolves once it answers. Throws Error with the end of its output when it does not. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const pinned = options.cpus === undefined ? [] : ["taskset", "-c", options.cpus];
  const [command, ...args] = [...pinned, ...options.command];
  const children: Deno.ChildProcess[] = [];
  const output: string[] = [];
  const startedAt = performance.now();
  for (let i = 0; i < (options.copies ?? 1); i++) {
    const child = new Deno.Command(command, {
      args,
      cwd: options.cwd,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    children.push(child);
    for (const stream of [child.stdout, child.stderr]) keepLastLines(stream, output);
  }
  const program = {
    startedMs: 0,
    processes: () => children.flatMap((child) => tree(child.pid)),
    [Symbol.asyncDispose]: () => stop(children),
  };
  try {
    await waitForAnswer(options.url, startedAt + (options.startMs ?? 30_000), children);
  } catch (error) {
    await stop(children);
    throw new Error(
      `Cannot start ${options.command.join(" ")}: ${(error as Error).message}\n${output.join("")}`,
    );
  }
  program.startedMs = performance.now() - startedAt;
  return program;
}

/** Runs a command to its end and returns its output. Throws Error with the last lines of stderr when it fails. */
export async function runToEnd(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  const { timeoutMs = 600_000, ...rest } = options;
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    ...rest,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const { success, code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  const said = decoder.decode(stderr).trim() || decoder.decode(stdout).trim();
  throw new Error(`${command[0]} ended with ${code}: ${said.split("\n").slice(-12).join("\n")}`);
}

async function keepLastLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    lines.push(text);
    while (lines.length > 20) lines.shift();
  }
}

async function waitForAnswer(
  url: ProgramOptions["url"],
  untilMs: number,
  children: Deno.ChildProcess[],
): Promise<void> {
  let ended: string | undefined;
  for (const child of children) {
    child.status.then(({ code, signal }) => ended = `it ended with ${signal ?? code}`);
  }
  const answers = typeof url === "string" ? () => answersOk(new URL(url)) : url;
  for (;;) {
    if (ended !== undefined) throw new Error(ended);
    if (performance.now() > untilMs) {
      throw new Error(typeof url === "string" ? `no answer from ${url}` : "no answer");
    }
    if (await answers()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One request on a plain socket, because a client that keeps connections would measure itself. */
async function answersOk({ hostname, port, pathname, search }: URL): Promise<boolean> {
  const request = `GET ${pathname}${search} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`;
  try {
    using conn = await Deno.connect({ hostname, port: Number(port) });
    const giveUp = setTimeout(() => conn.close(), 2000);
    try {
      await conn.write(new TextEncoder().encode(request));
      const head = new Uint8Array(64);
      const count = await conn.read(head) ?? 0;
      return /^HTTP\/1\.[01] 200/.test(new TextDecoder().decode(head.subarray(0, count)));
    } finally {
      clearTimeout(giveUp);
    }
  } catch {
    return false;
  }
}

async function stop(children: Deno.ChildProcess[]): Promise<void> {
  const left = children.flatMap((child) => tree(child.pid));
  for (const child of children) signal(child.pid, "SIGTERM");
  const ended = Promise.all(children.map((child) => child.status));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => timer = setTimeout(resolve, 10_000));
  await Promise.race([ended, limit]);
  clearTimeout(timer);
  // Whatever did not go by itself, descendants included: a bench leaves nothing behind.
  for (const { pid, command } of left) if (commandOf(pid) === command) signal(pid, "SIGKILL");
  await ended;
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It was gone already, which is what we want.
  }
}

function tree(root: number): ProcessFigures[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = read(`/proc/${name}/stat`);
    const parent = /^\d+ \(.*\) \S (\d+) /s.exec(status)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = parents.has(root) ? [root] : [];
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found.map((pid) => ({ pid, command: commandOf(pid), rssBytes: rssOf(pid), cpuSeconds: cpuOf(pid) }));
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

function cpuOf(pid: number): number {
  const ticksPerSecond = 100;
  const fields = read(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // the process has ended meanwhile
  }
}
