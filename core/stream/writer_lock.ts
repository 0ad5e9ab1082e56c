/** Whether somebody writes a lane: the lock of its folder says so. */
import { join } from "node:path";

/** held: a living process writes it. missing: there is no lock, because the lane is just being made or was removed. */
export function writerLock(laneFolder: string): "held" | "free" | "missing" {
  try {
    using file = Deno.openSync(join(laneFolder, "writer"));
    // shared, and for a moment only: a writer that comes right now has to try once more at worst
    return file.tryLockSync(false) ? "free" : "held";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    throw error;
  }
}
