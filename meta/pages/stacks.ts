/** Where every process is in its code right now, through its inspector: also one whose loop never comes back. */

import type { Block, Section } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { formatDuration } from "../format_value.ts";
import { phaseName } from "../phase_name.ts";
import type { CapturedStack, Sight } from "../sight.ts";

export const stacks = {
  method: "GET",
  path: "/stacks",
  title: "Stacks",
  summary:
    "JavaScript stack of each worker with file and line, and its oldest requests in flight. Takes up to 300 ms.",
  tier: "read",
  nav: true,
  async render(sight) {
    const captured = await sight.stacks();
    const sections: Section[] = captured.map((stack) => stackBlock(sight, stack));
    const none: Block = { kind: "block", key: "none", title: "", text: "No process has an inspector yet." };
    return { title: "Stacks", sections: sections.length > 0 ? sections : [none] };
  },
} satisfies Endpoint;

function stackBlock(sight: Sight, stack: CapturedStack): Block {
  const child = sight.state.children.find((one) => one.pid === stack.pid);
  const slot = sight.slots().find((one) => one.slot === child?.slot && one.pid === stack.pid);
  const heartbeat = slot
    ? `heartbeat ${formatDuration(Math.max(0, sight.now - slot.beatAt))} ago`
    : "no heartbeat";
  const requests = slot
    ? sight.inflight(Infinity).rows.filter((row) => row.slot === slot.slot).slice(0, 5)
    : [];
  const frames = stack.frames.map((frame) =>
    `  ${frame.function || "(anonymous)"}  ${frame.file}:${frame.line}:${frame.column}`
  );
  const inflight = requests.map((row) => {
    const mark = row.mark === "" ? "" : `, mark: ${row.mark}`;
    const ageText = formatDuration(Math.max(0, sight.now - row.startedAt));
    return `  ${row.text || `request ${row.id}`} (${row.listener}, ${
      phaseName(row.phase)
    }, ${ageText}${mark})`;
  });
  const lines = frames.length === 0
    ? [`  ${stack.missing}`]
    : stack.frames.every(isRuntime)
    ? ["  idle: only the runtime's own code runs", ...frames]
    : frames;
  const rest = inflight.length > 0 ? ["", `Oldest requests in flight:`, ...inflight] : [];
  return {
    kind: "block",
    key: `${stack.role}${stack.id}`,
    title: `${stack.role} ${stack.id}`,
    note: [`pid ${stack.pid}`, child?.state ?? "gone", heartbeat].join(", "),
    text: [...lines, ...rest].join("\n"),
    data: { pid: stack.pid, frames: stack.frames, missing: stack.missing, inflight: requests },
  };
}

/** Code that nobody here wrote: the runtime's timers and streams. */
function isRuntime({ file }: CapturedStack["frames"][number]): boolean {
  return /^(ext|node):/.test(file);
}
