/** What of the streams an operator should look at, in sentences that say what it means for the records. Pure. */

import type { Attention } from "./attention.ts";
import { formatBytes, formatCount, formatDuration } from "./format_value.ts";
import type { SeriesIndex } from "./series_index.ts";
import type { Sight } from "./sight.ts";
import { type StreamView, streamViews } from "./stream_view.ts";

const fullShare = 0.8;
const whenFull = {
  block: "when it is full senders wait, then get an error",
  reject: "when it is full senders get an error",
  dropOldest: "when it is full the oldest records are given up",
};

/** The rule for streams. */
export function streamAttention(sight: Sight, series: SeriesIndex): Attention[] {
  return streamViews(sight, series).flatMap((view) => ofStream(sight, view));
}

function ofStream(sight: Sight, view: StreamView): Attention[] {
  const { name, plan, figures, full, state, refusedPerSecond } = view;
  const found: Attention[] = [];
  const say = (tone: Attention["tone"], text: string) =>
    void found.push({ tone, text: `${name}: ${text}`, href: "/streams" });
  if (view.shipper !== "") say(starting(sight, view) ? "warn" : "bad", `${view.shipper}; ${waiting(view)}`);
  if (state === "backingOff") {
    say("bad", `the sink takes nothing, ${waiting(view)}${view.error === "" ? "" : `: ${view.error}`}`);
  }
  if (state === "waitingForLock") say("warn", `another process has the spool; ${waiting(view)}`);
  if (full !== null && full > fullShare) {
    const text = `its spool is ${formatCount(Math.round(full * 100))} % full (${
      formatBytes(figures!.queuedBytes)
    } of ${formatBytes(plan.spool.max)}); ${whenFull[plan.spool.full]}`;
    say(full >= 1 ? "bad" : "warn", text);
  }
  if ((refusedPerSecond ?? 0) > 0) say("bad", `${formatCount(refusedPerSecond!)}/s records are refused`);
  if (figures && figures.failed > 0) {
    say("warn", `${records(figures.failed)} failed: dead letters, or damaged in the spool`);
  }
  if (figures && figures.dropped > 0) {
    say("warn", `${records(figures.dropped)} given up because the spool was full`);
  }
  if (figures && figures.damagedBytes > 0) {
    say("warn", `${formatBytes(figures.damagedBytes)} of its spool could not be read`);
  }
  return found;
}

/** Nobody has told of it yet, and the service, or its shipper, has just begun. */
function starting({ now, state }: Sight, { alive }: StreamView): boolean {
  const shipper = state.children.find(({ role }) => role === "shipper");
  return !alive && now - (shipper?.startedAt ?? state.startedAt) < 10_000;
}

function waiting({ figures, oldestMs }: StreamView): string {
  if (!figures) return "how many records wait is not known";
  if (figures.queued === 0) return "no record waits";
  const oldest = oldestMs === null ? "" : `, the oldest for ${formatDuration(oldestMs)}`;
  return `${formatCount(figures.queued)} ${figures.queued === 1 ? "record waits" : "records wait"}${oldest}`;
}

function records(count: number): string {
  return count === 1 ? "1 record" : `${formatCount(count)} records`;
}
