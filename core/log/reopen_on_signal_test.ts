import assert from "node:assert/strict";
import { systemClock } from "../clock.ts";
import { createLogging } from "./logging.ts";
import { reopenOnSignal } from "./reopen_on_signal.ts";

Deno.test("reopenOnSignal() opens a file again when SIGUSR2 follows its renaming", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/a.log`;
  const logging = createLogging({
    level: "info",
    format: "json",
    sinks: { file: { file } },
    routes: [{ match: "**", level: "trace", to: ["file"], only: true }],
    redact: [],
  }, {
    process: { service: "s", role: "worker", id: 1, pid: Deno.pid },
    clock: systemClock,
    terminal: false,
  });
  const reopened = Promise.withResolvers<void>();
  const stop = reopenOnSignal({
    reopen() {
      logging.reopen();
      reopened.resolve();
    },
  });
  const log = logging.logger("worker");
  log.info("before");
  await logging.flush(5000);
  await Deno.rename(file, `${file}.1`);
  log.info("between");
  await logging.flush(5000);
  Deno.kill(Deno.pid, "SIGUSR2");
  // listening to a signal does not keep a process alive
  const alive = setTimeout(() => reopened.reject(new Error("no signal came")), 5000);
  await reopened.promise;
  clearTimeout(alive);
  log.info("after");
  await logging.close();
  stop();
  assert.deepEqual((await Deno.readTextFile(`${file}.1`)).match(/before|between|after/g), [
    "before",
    "between",
  ]);
  assert.deepEqual((await Deno.readTextFile(file)).match(/before|between|after/g), ["after"]);
  await Deno.remove(folder, { recursive: true });
});
