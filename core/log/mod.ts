/** Logs: what other parts of the project use of them. */
export { type AccessLog } from "./access_log.ts";
export { captureConsole } from "./capture_console.ts";
export { captureLogTape } from "./capture_logtape.ts";
export { type LevelName, levelNames, levelNumber } from "./log_level.ts";
export {
  createLogging,
  Logging,
  type LoggingOptions,
  type LogsPlan,
  type LogStats,
  type SinkCounts,
} from "./logging.ts";
export { readRecent, type RecentLine, type RecentQuery } from "./recent_lines.ts";
export { reopenOnSignal } from "./reopen_on_signal.ts";
export { rotateIfNeeded } from "./rotate.ts";
export { type LogCounter, type Output, type WriteResult } from "./sink.ts";
