/** The state of a service as text for people. */
import type { SupervisorState } from "../control.ts";

/** At `now`, epoch ms. */
export function statusText(state: SupervisorState, now: number): string {
  const { service, version, pid, phase, generation, startedAt, ready, notReady } = state;
  const lines = [
    `${service}${version ? ` ${version}` : ""}, pid ${pid}, ${phase}, generation ${generation}, up ${
      span(now - startedAt)
    }`,
    ready ? "ready" : `not ready: ${notReady.join("; ")}`,
  ];
  for (const [name, texts] of Object.entries(state.addresses)) lines.push(`  ${name}: ${texts.join(", ")}`);
  for (const child of state.children) {
    const { role, id, state: how, readyAt, rssBytes } = child;
    const up = readyAt > 0 ? `, up ${span(now - readyAt)}` : "";
    const memory = rssBytes > 0 ? `, ${Math.round(rssBytes / 1024 / 1024)} MiB` : "";
    lines.push(`  ${role} ${id}: ${how}, pid ${child.pid}, generation ${child.generation}${up}${memory}`);
  }
  if (state.lastReload) {
    const { at, ok, message } = state.lastReload;
    lines.push(`last reload ${span(now - at)} ago ${ok ? "done" : "failed"}: ${message}`);
  }
  const exits = state.exits.filter(({ expected }) => !expected).slice(0, 5);
  for (const { role, id, at, cause, uptimeMs } of exits) {
    lines.push(`  ${role} ${id} died ${span(now - at)} ago after ${span(uptimeMs)}: ${cause}`);
  }
  return lines.join("\n");
}

/** The two largest units of a time: `3h 12m`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts: Array<[number, string]> = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => count + unit)
    .join(" ");
}
