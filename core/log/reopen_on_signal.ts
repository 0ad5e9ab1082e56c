/** SIGUSR2 opens log files again, as logrotate and people expect. */
import type { Logging } from "./logging.ts";

/** Calls `reopen` on `logging` at every SIGUSR2; returns what takes the listener away. Does nothing on Windows. */
export function reopenOnSignal(logging: Pick<Logging, "reopen">): () => void {
  if (Deno.build.os === "windows") return () => {};
  const reopen = () => logging.reopen();
  Deno.addSignalListener("SIGUSR2", reopen);
  return () => Deno.removeSignalListener("SIGUSR2", reopen);
}
