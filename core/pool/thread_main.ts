/**
 * Entry of a pool thread. Takes over console.* for the log, then serves until it is ended. An error that nobody caught
 * ends the thread, as it would end a process; the pool replaces it.
 */
import { format } from "node:util";
import { workerData } from "node:worker_threads";
import { ThreadKernel } from "./thread_kernel.ts";

const kernel = new ThreadKernel(workerData);

const log = kernel.consoleLog;
const levels = {
  debug: "debug",
  trace: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
} as const;
for (const [method, level] of Object.entries(levels)) {
  console[method as keyof typeof levels] = (...args: unknown[]) => log[level](format(...args));
}

await kernel.run();
