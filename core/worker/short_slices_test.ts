import assert from "node:assert/strict";
import { askForShortSlices } from "./short_slices.ts";

Deno.test("askForShortSlices() keeps policy and niceness of the thread", () => {
  const niceness = () => Deno.readTextFileSync("/proc/thread-self/stat").split(") ")[1]!.split(" ")[16];
  const policy = () => Deno.readTextFileSync("/proc/thread-self/stat").split(") ")[1]!.split(" ")[38];
  const before = [niceness(), policy()];
  assert.equal(askForShortSlices(0.1), Deno.build.os === "linux");
  assert.deepEqual([niceness(), policy()], before);
});

Deno.test("askForShortSlices() asks the kernel for what was said", () => {
  assert.equal(askForShortSlices(0.2), true);
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  if (major! < 6 || (major === 6 && minor! < 12)) return;
  // /proc shows it where the kernel was built for debugging.
  const shown = Deno.readTextFileSync("/proc/thread-self/sched").match(/se\.slice\s*:\s*(\d+)/)?.[1];
  if (shown !== undefined) assert.equal(Number(shown), 200_000);
});
