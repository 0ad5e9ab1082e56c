/**
 * Figures of the processes in the Prometheus text format: from the operating system and the supervisor, so that a process
 * that hangs or has counted nothing is there as well. Counted series come from the shared memory, not from here.
 */

import type { ChildState, ChildStatus } from "../core/control.ts";
import type { ProcessFigures } from "./process_sampler.ts";
import type { Sight } from "./sight.ts";

interface Family {
  name: string;
  type: "gauge" | "counter";
  help: string;
  value(figures: ProcessFigures, child: ChildStatus): number | null;
}

const families: readonly Family[] = [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "User and system time of a process",
    value: (figures) => figures.cpuSeconds,
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Resident memory of a process",
    value: (figures) => figures.rssBytes,
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Open file descriptors of a process",
    value: (figures) => figures.openFiles,
  },
  {
    name: "process_threads",
    type: "gauge",
    help: "Threads of a process",
    value: (figures) => figures.threads,
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "Start of a process since the Unix epoch",
    value: (_, child) => child.startedAt / 1000,
  },
];

const states: readonly ChildState[] = ["starting", "ready", "hung", "draining", "exited"];

/** The text, to be put behind that of the shared series. */
export function processMetrics(sight: Sight): string {
  const { state } = sight;
  const processes = state.children.flatMap((child) => {
    const figures = sight.process(child.pid);
    return figures ? [{ child, figures }] : [];
  });
  const out: string[] = [];
  for (const { name, type, help, value } of families) {
    const samples = processes.flatMap(({ child, figures }) => {
      const number = value(figures, child);
      return number === null ? [] : [`${name}{${labels(child)}} ${number}`];
    });
    if (samples.length > 0) out.push(...head(name, type, help), ...samples);
  }
  out.push(...head("weir_ready", "gauge", "1 while requests should be sent to this service"));
  out.push(`weir_ready ${state.ready ? 1 : 0}`);
  out.push(...head("weir_generation", "gauge", "Generation of the manifest in force"));
  out.push(`weir_generation ${state.generation}`);
  if (state.children.length > 0) {
    out.push(...head("weir_process_state", "gauge", "1 for the state that a process is in"));
    for (const child of state.children) {
      for (const one of states) {
        out.push(`weir_process_state{${labels(child)},state="${one}"} ${child.state === one ? 1 : 0}`);
      }
    }
  }
  if (sight.exitCounts.length > 0) {
    out.push(...head("weir_process_exits_total", "counter", "Processes that ended, as seen by the governor"));
    for (const { role, id, expected, count } of sight.exitCounts) {
      out.push(`weir_process_exits_total{role="${role}",worker="${id}",expected="${expected}"} ${count}`);
    }
  }
  return out.join("\n") + "\n";
}

/** A pid tells two processes of one id apart while one replaces the other. */
function labels({ role, id, pid }: ChildStatus): string {
  return `role="${role}",worker="${id}",pid="${pid}"`;
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
