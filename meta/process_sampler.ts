/**
 * What the operating system says of the service's processes, from /proc once a second: also of those that hang. Where
 * there is no /proc there are no figures, and the pages show a dash.
 */

/** Figures of one process. */
export interface ProcessFigures {
  rssBytes: number;
  /** User and system time since its start. */
  cpuSeconds: number;
  /** Share of one core since the last sample; null at first. */
  cpuShare: number | null;
  threads: number;
  openFiles: number | null;
}

interface Sample extends ProcessFigures {
  at: number;
}

const clockTicksPerSecond = 100;
const pageBytes = 4096;

/** Samples processes by pid; keeps what it needs for shares of a core. */
export class ProcessSampler {
  #samples = new Map<number, Sample>();
  readonly #root: string;

  /** @param root where the kernel's process files are; for tests. */
  constructor(root = "/proc") {
    this.#root = root;
  }

  /** The last figures of `pid`. */
  get(pid: number): ProcessFigures | undefined {
    return this.#samples.get(pid);
  }

  /** Samples `pids` at `nowMs` (monotonic) and forgets all others. */
  tick(pids: Iterable<number>, nowMs: number): void {
    const next = new Map<number, Sample>();
    for (const pid of pids) {
      const sample = this.#read(pid, nowMs);
      if (sample) next.set(pid, sample);
    }
    this.#samples = next;
  }

  #read(pid: number, nowMs: number): Sample | undefined {
    let stat: string;
    try {
      stat = Deno.readTextFileSync(`${this.#root}/${pid}/stat`);
    } catch {
      // Gone, or a system without /proc: no figures.
      return undefined;
    }
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
    const last = this.#samples.get(pid);
    const seconds = last ? (nowMs - last.at) / 1000 : 0;
    const grown = last && seconds > 0 ? Math.max(0, (cpuSeconds - last.cpuSeconds) / seconds) : null;
    return {
      at: nowMs,
      rssBytes: Number(fields[21]) * pageBytes,
      cpuSeconds,
      cpuShare: grown ?? last?.cpuShare ?? null,
      threads: Number(fields[17]),
      openFiles: this.#openFiles(pid),
    };
  }

  #openFiles(pid: number): number | null {
    try {
      // Since Linux 6.2 the size of the folder is the number of open files; 0 before.
      return Deno.statSync(`${this.#root}/${pid}/fd`).size || null;
    } catch {
      return null;
    }
  }
}
