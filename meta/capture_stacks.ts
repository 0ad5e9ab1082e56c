/** The stacks of all processes at once: each through its own inspector, each with the same short limit. */

import type { ChildStatus, StackAnswer } from "../core/control.ts";
import type { CapturedStack } from "./sight.ts";

/** Captures one stack; rejects when there is none within `timeoutMs`. */
export type CaptureStack = (inspector: string, timeoutMs: number) => Promise<StackAnswer>;

const timeoutMs = 300;

/** The stack of every process that has an inspector; a process without an answer says why. Never rejects. */
export function captureStacks(
  children: readonly ChildStatus[],
  capture: CaptureStack,
): Promise<CapturedStack[]> {
  const shown = children.filter((child) => child.state !== "exited" && child.role !== "governor");
  return Promise.all(shown.map((child) => captureOne(child, capture)));
}

async function captureOne(child: ChildStatus, capture: CaptureStack): Promise<CapturedStack> {
  const { role, id, pid, inspector } = child;
  const found = { role, id, pid, frames: [], missing: "" };
  if (inspector === "") return { ...found, missing: "no inspector" };
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), timeoutMs + 50);
  try {
    const answer = await Promise.race([capture(inspector, timeoutMs), promise]);
    if (answer === "late") return { ...found, missing: `no answer within ${timeoutMs} ms` };
    if (answer.frames.length === 0) return { ...found, missing: "idle: no JavaScript runs" };
    return { ...found, frames: answer.frames };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { ...found, missing: text.replace(/^Cannot capture a stack: /, "") };
  } finally {
    clearTimeout(timer);
  }
}
