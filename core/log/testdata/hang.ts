/** Logs a warning to the console and to the file it is given, and hangs in the same turn. */
import { systemClock } from "../../clock.ts";
import { createLogging } from "../logging.ts";

const logging = createLogging({
  level: "info",
  format: "json",
  sinks: { file: { file: Deno.args[0]! } },
  routes: [{ match: "**", level: "trace", to: ["console", "file"], only: false }],
  redact: [],
}, {
  process: { service: "hang", role: "worker", id: 1, pid: Deno.pid },
  clock: systemClock,
  directory: Deno.args[1]!,
});
const log = logging.logger("worker");
log.info("started");
await logging.flush(5000);
log.warn("last words");
while (true);
