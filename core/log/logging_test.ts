import assert from "node:assert/strict";
import fc from "fast-check";
import type { Reason } from "../reasons.ts";
import { createLogging, type LoggingOptions, type LogsPlan } from "./logging.ts";
import { readRecent } from "./recent_lines.ts";
import { FakeClock } from "./testdata/fake_clock.ts";
import { MemoryOutput } from "./testdata/memory_output.ts";

function setUp(plan: Partial<LogsPlan> = {}, options: Partial<LoggingOptions> = {}) {
  const clock = new FakeClock();
  const output = new MemoryOutput();
  const whole: LogsPlan = { level: "info", format: "json", sinks: {}, routes: [], redact: [], ...plan };
  const logging = createLogging(whole, {
    process: { service: "splitter", role: "worker", id: 1, pid: 42 },
    clock,
    console: output,
    terminal: false,
    ...options,
  });
  return { clock, output, logging };
}

const request = [1e12, "GET /a?x=1", 200, "ok" as Reason, "10.0.0.1", "id-1", 0.0123, 1.5, 2, 512] as const;

Deno.test("Logging writes a line of JSON with time, level, logger, message, fields and process", async () => {
  const { clock, output, logging } = setUp();
  const log = logging.logger("listeners.api").child("cache");
  log.debug("unseen");
  log.warn("slow", { ms: 12, level: "mine", error: new RangeError("far") });
  await clock.pass(50);
  const { error, ...rest } = output.records[0];
  assert.deepEqual(rest, {
    ts: "2026-01-31T12:00:00.000Z",
    level: "warning",
    logger: "listeners.api.cache",
    message: "slow",
    ms: 12,
    level_: "mine",
    service: "splitter",
    process: "worker-1",
    pid: 42,
  });
  assert.equal(error.name, "RangeError");
  assert.equal(output.lines.length, 1);
});

Deno.test("Logging writes aligned text for people, stack frames indented below", async () => {
  const { clock, output, logging } = setUp({ format: "human" });
  logging.logger("worker").info("ready", { id: 1, what: "two words", at: { a: 1 } });
  logging.logger("worker").error("failed", {
    error: new Error("bad\nthing", { cause: new TypeError("why") }),
  });
  logging.access("api").write(...request);
  await clock.pass(50);
  const [first, second, third] = output.lines;
  assert.equal(
    first,
    '2026-01-31 12:00:00.000 INFO  worker           ready id=1 what="two words" at={"a":1}\n',
  );
  const [head, ...frames] = second!.trimEnd().split("\n");
  assert.match(head!, /ERROR worker {11}failed error="Error: bad\\nthing"$/);
  assert.ok(frames.length > 2 && frames.every((frame) => frame.startsWith("    ")));
  assert.ok(frames.includes("    caused by TypeError: why"));
  assert.match(
    third!,
    /INFO {2}access\.api {7}GET \/a\?x=1 200 ok 2\.000ms \(queue 0\.012, handler 1\.500\) 512B 10/,
  );
});

Deno.test("Logging colours only for a terminal", async () => {
  const { clock, output, logging } = setUp({ format: "auto" }, { terminal: true });
  logging.logger("worker").info("ready", { id: 1 });
  await clock.pass(50);
  assert.equal(output.lines[0]!.includes("\x1b["), !Deno.noColor);
  assert.match(output.lines[0]!, /INFO/);
});

Deno.test("AccessLog.write() writes request, status, reason, client and timers", async () => {
  const { clock, output, logging } = setUp();
  const access = logging.access("api");
  assert.equal(access, logging.access("api"));
  access.write(...request);
  access.write(1e12, "POST /b", 503, "queue_full", "::1", 'i"d', 100, -1, NaN, 0);
  access.write(1e12, "GET /c", 500, "handler_error", "::1", "", 0, 3_000_000.5, 3_000_000.5, 0);
  access.write(1e12, "GET /d", 502, "ok", "::1", "", 0, 0.0004, 0.0006, 0);
  await clock.pass(50);
  assert.deepEqual(output.records[0], {
    ts: "2001-09-09T01:46:40.002Z",
    level: "info",
    logger: "access.api",
    request: "GET /a?x=1",
    status: 200,
    reason: "ok",
    address: "10.0.0.1",
    id: "id-1",
    queue_ms: 0.012,
    handler_ms: 1.5,
    total_ms: 2,
    bytes: 512,
    process: "worker-1",
  });
  assert.deepEqual(output.records.map((record) => record.level), ["info", "warning", "error", "warning"]);
  const { id, handler_ms, total_ms } = output.records[1];
  assert.deepEqual({ id, handler_ms, total_ms }, { id: 'i"d', handler_ms: null, total_ms: null });
  assert.equal(output.records[2].total_ms, 3_000_000.5);
  assert.equal(output.records[3].total_ms, 0.001);
});

Deno.test("AccessLog.enabled is false when no route takes its lines, and follows changes of level", async () => {
  const { clock, output, logging } = setUp({ level: "fatal" });
  const access = logging.access("api");
  assert.equal(access.enabled, false);
  access.write(...request);
  logging.setLevel("access.*", "warning", 1000);
  assert.equal(access.enabled, true);
  access.write(...request);
  access.write(1e12, "GET /", 503, "draining", "", "", 0, 0, 0, 0);
  await clock.pass(1000);
  assert.equal(access.enabled, false);
  assert.deepEqual(output.records.map((record) => record.reason), ["draining"]);
});

Deno.test("Logging keeps one line per record, whatever is put into it", async () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom('\n{"ts":"fake"}', "\r\n", "\u2028x", "\x1b[2K", "\0", '"}\n', "\\", "\ud800"),
  );
  for (const format of ["json", "human"]) {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, async (message, key, value) => {
        const { clock, output, logging } = setUp({ format, redact: ["cookie"] });
        const log = logging.logger(value).child(key);
        log.info(message, { [key]: value, [value]: { [key]: [message] }, e: message });
        logging.access(key).write(
          1e12,
          `GET /${message}?${key}=${value}`,
          200,
          "ok",
          value,
          message,
          0,
          0,
          0,
          0,
        );
        await clock.pass(50);
        assert.equal(output.lines.length, 2);
        for (const line of output.lines) {
          // deno-lint-ignore no-control-regex -- what must never come out
          assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
          assert.equal(line.at(-1), "\n");
          if (format === "json") JSON.parse(line);
        }
      }),
      { numRuns: 150, examples: [["", "", ""]] },
    );
  }
});

Deno.test("Logging keeps a line within 16 KiB and says when it cut it", async () => {
  const { clock, output, logging } = setUp();
  const log = logging.logger("worker");
  log.info("é".repeat(10_000), { a: "💧".repeat(100_000), b: Array(5000).fill("x".repeat(500)), c: "last" });
  log.info("x".repeat(100_000));
  logging.access("api").write(
    1e12,
    "GET /" + "\x01".repeat(100_000),
    200,
    "ok",
    "",
    "i".repeat(1e6),
    0,
    0,
    0,
    0,
  );
  await clock.pass(50);
  for (const line of output.lines) assert.ok(new TextEncoder().encode(line).length <= 16 * 1024);
  assert.equal(output.records[0].truncated, true);
  assert.equal(output.records.length, 3);
});

Deno.test("Logging never throws, whatever a handler hands in", async () => {
  const { clock, output, logging } = setUp();
  const hostile = new Proxy({}, {
    ownKeys() {
      throw new TypeError("trap");
    },
  });
  logging.logger("worker").info("first", hostile);
  // deno-lint-ignore no-explicit-any -- wrong on purpose
  logging.logger("worker").info(Symbol("odd") as any, null as any);
  await clock.pass(50);
  assert.deepEqual(output.records.slice(0, 2).map((record) => record.message), [
    "first",
    "cannot write the fields of a line",
  ]);
  assert.equal(output.records[2].message, "Symbol(odd)");
});

Deno.test("Logging lets no secret out through any sink, format or page", async () => {
  const canary = "canary-52d1c9";
  const directory = await Deno.makeTempDir();
  const routes = [{ match: "**", level: "trace", to: ["console", "file"], only: false }];
  let all = "";
  for (const format of ["json", "human"]) {
    const { clock, output, logging } = setUp({
      format,
      sinks: { file: { file: `${directory}/${format}.log` } },
      routes,
      redact: ["authorization", "cookie", "*.password"],
    }, { directory });
    const log = logging.logger("listeners.api");
    log.warn("request", {
      Authorization: canary,
      headers: new Headers({ cookie: canary, accept: "seen-header" }),
      user: { name: "seen-name", password: canary, deep: [{ PASSWORD: { is: canary } }] },
      error: Object.assign(new Error("seen-error"), { cookie: canary, cause: { password: canary } }),
    });
    logging.access("api").write(1e12, `GET /p?seen=1&token=${canary}`, 503, "draining", "", "", 0, 0, 0, 0);
    const closed = logging.close();
    await clock.pass(50);
    await closed;
    all += output.lines.join("") + await Deno.readTextFile(`${directory}/${format}.log`) +
      logging.recent(100).join("\n") + JSON.stringify(await readRecent(directory, { limit: 100 }));
  }
  assert.ok(!all.includes(canary));
  for (const seen of ["seen-header", "seen-name", "seen-error", "seen=1"]) {
    assert.equal(all.split(seen).length > 8, true, `${seen} is in every output`);
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("Logging counts per sink, in the statistics as well", async () => {
  const totals: Record<string, number> = {};
  const stats = {
    counter: (name: string, labels?: Record<string, string>) => ({
      add: (n = 1) => {
        const key = `${name}{${labels?.sink}}`;
        totals[key] = (totals[key] ?? 0) + n;
      },
    }),
  };
  const { clock, output, logging } = setUp({}, { stats });
  output.block();
  for (let i = 0; i < 40_000; i++) logging.logger("worker").info("x");
  output.unblock();
  await clock.pass(200);
  const { written, dropped } = logging.counts().console!;
  assert.equal(written + dropped, 40_000);
  assert.ok(dropped > 0);
  assert.deepEqual(totals, {
    "weir_log_written_total{console}": written,
    "weir_log_dropped_total{console}": dropped,
  });
  assert.ok(output.records.some((record) => record.message === `dropped ${dropped} lines`));
  assert.equal(logging.recent(5000).length, 1000);
});

Deno.test("Logging says on the console that a file cannot be written, once, and that it works again", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/place`, "a file where a folder should be");
  const { clock, output, logging } = setUp({
    sinks: { broken: { file: `${directory}/place/a.log` } },
    routes: [{ match: "**", level: "trace", to: ["broken"], only: true }],
  });
  logging.logger("worker").error("lost?");
  const gaveUp = logging.flush(20_000);
  // real files settle in real time, so time passes until the fact is there
  while (output.lines.length === 0) await turn(clock);
  assert.match(output.records[0].message, /cannot write to the log sink "broken"/);
  await Deno.remove(`${directory}/place`);
  while (output.lines.length === 1) await turn(clock);
  assert.equal(output.records[1].message, "sink works again");
  assert.equal(await gaveUp, true);
  assert.deepEqual(logging.counts().broken, { written: 1, dropped: 0 });
  assert.match(await Deno.readTextFile(`${directory}/place/a.log`), /lost\?/);
  await logging.close();
  await Deno.remove(directory, { recursive: true });
});

async function turn(clock: FakeClock): Promise<void> {
  await clock.pass(10);
  await new Promise((resolve) => setTimeout(resolve, 1));
}
