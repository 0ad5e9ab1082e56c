import assert from "node:assert/strict";
import { join } from "node:path";
import { connects, provision } from "../../tests/provision.ts";
import { systemClock } from "../clock.ts";
import { createLogging, type LogsPlan } from "./logging.ts";
import type { SyslogTarget } from "./syslog_output.ts";

const range = { from: 22_000, to: 22_200 };
const quiet = { write: (lines: readonly string[]) => Promise.resolve({ written: lines.length }), close() {} };

function loggingTo(syslog: SyslogTarget, folder: string) {
  const plan: LogsPlan = {
    level: "debug",
    format: "json",
    sinks: { central: { syslog, facility: "local3" } },
    routes: [{ match: "**", level: "trace", to: ["central"], only: false }],
    redact: [],
  };
  return createLogging(plan, {
    process: { service: "splitter", role: "worker", id: 1, pid: 4711 },
    clock: systemClock,
    directory: folder,
    console: quiet,
  });
}

interface Received {
  pri: string;
  hostname: string;
  "app-name": string;
  procid: string;
  msgid: string;
  timereported: string;
  msg: string;
}

async function received(folder: string, count: number): Promise<Received[]> {
  const limit = performance.now() + 10_000;
  for (;;) {
    const text = await Deno.readTextFile(join(folder, "received.log")).catch(() => "");
    const lines = text.split("\n").filter((line) => line.endsWith("}"));
    if (lines.length >= count) return lines.map((line) => JSON.parse(line));
    assert.ok(
      performance.now() < limit,
      `rsyslog wrote ${lines.length} of ${count} lines: ${text.slice(-300)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("syslogOutput() is understood by rsyslog over UDP, TCP and a Unix socket", async (t) => {
  await using server = await provision("rsyslog", { range });
  const port = server.ports[0]!;
  const targets: SyslogTarget[] = [
    { transport: "udp", hostname: "127.0.0.1", port },
    { transport: "tcp", hostname: "localhost", port },
    { transport: "unix", path: join(server.folder, "log.sock") },
  ];
  let expected = 0;
  for (const target of targets) {
    await t.step(target.transport, async () => {
      const logging = loggingTo(target, server.folder);
      const log = logging.logger("listeners.api");
      log.debug("fein");
      log.info("grün 💧", { note: "a\nb <13>1 - - - fake" });
      log.warn("careful");
      log.error("broken", { error: new Error("boom") });
      logging.access("api").write(1e12, "GET /a\r\nb", 200, "ok", "10.0.0.1", "id", 0.1, 0.2, 0.3, 5);
      await logging.close();
      assert.deepEqual(logging.counts().central, { written: 5, dropped: 0 });
      expected += 5;
      const lines = (await received(server.folder, expected)).slice(expected - 5);
      assert.equal(lines.length, 5);
      // local3 = 19; debug 7, info 6, warning 4, error 3
      assert.deepEqual(lines.map((line) => Number(line.pri) - 19 * 8), [7, 6, 4, 3, 6]);
      assert.ok(lines.every((line) => line["app-name"] === "splitter" && line.procid === "4711"));
      assert.deepEqual(lines.map((line) => line.msgid), [...Array(4).fill("listeners.api"), "access.api"]);
      const bodies = lines.map((line) => JSON.parse(line.msg));
      assert.equal(bodies[1].message, "grün 💧");
      assert.equal(bodies[1].note, "a\nb <13>1 - - - fake");
      assert.equal(bodies[3].error.message, "boom");
      assert.equal(bodies[4].request, "GET /a\r\nb");
      assert.equal(bodies[0].ts, new Date(lines[0]!.timereported).toISOString());
    });
  }
});

Deno.test("syslogOutput() connects again and loses nothing that waited when the TCP server was away", async () => {
  const first = await provision("rsyslog", { range });
  const port = first.ports[0]!;
  const folder = await Deno.makeTempDir();
  const logging = loggingTo({ transport: "tcp", hostname: "127.0.0.1", port }, folder);
  const log = logging.logger("worker");
  log.warn("one");
  assert.ok(await logging.flush(2000));
  await received(first.folder, 1);
  await first[Symbol.asyncDispose]();
  while (await connects(port));
  // the connection's end has been seen once the next line finds nobody
  log.warn("two");
  log.warn("three");
  assert.equal(await logging.flush(200), false);
  assert.deepEqual(logging.counts().central, { written: 1, dropped: 0 });
  {
    await using second = await provision("rsyslog", { ports: [port] });
    assert.ok(await logging.flush(8000));
    const messages = (await received(second.folder, 2)).map((line) => JSON.parse(line.msg).message);
    assert.deepEqual(messages, ["two", "three"]);
    assert.deepEqual(logging.recent(1).map((line) => JSON.parse(line).message), ["sink works again"]);
    await logging.close();
  }
  await Deno.remove(folder, { recursive: true });
});
