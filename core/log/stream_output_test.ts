import assert from "node:assert/strict";
import type { Reason } from "../reasons.ts";
import { createLogging, type LogsPlan } from "./logging.ts";
import { StreamOutput } from "./stream_output.ts";
import { FakeClock, settle } from "./testdata/fake_clock.ts";
import { MemoryOutput } from "./testdata/memory_output.ts";

const decoder = new TextDecoder();
const request = [1e12, "GET /a", 200, "ok" as Reason, "10.0.0.1", "id-1", 0, 1.5, 2, 512] as const;

/** A stream that takes `room` lines, and none of more than `longest` bytes. */
class FakeStream {
  readonly lines: string[] = [];
  room = Infinity;
  longest = Infinity;

  offer = (name: string, line: Uint8Array): boolean => {
    if (line.length > this.longest) throw new RangeError(`Cannot send ${line.length} bytes`);
    if (this.room <= 0) return false;
    this.room--;
    this.lines.push(`${name} ${decoder.decode(line)}`);
    return true;
  };
}

function outputTo(stream: FakeStream) {
  const consoled: Array<[string, number]> = [];
  const output = new StreamOutput("s", (piece, lines) => consoled.push([piece, lines]));
  output.attach(stream.offer);
  return { output, consoled };
}

Deno.test("StreamOutput makes a record of every line, also of pieces of many", async () => {
  const stream = new FakeStream();
  const { output } = outputTo(stream);
  assert.deepEqual(await output.write(['{"a":1}\n', '{"b":"ü"}\n{"c":3}\n']), { written: 2, refused: 0 });
  assert.deepEqual(stream.lines, ['s {"a":1}', 's {"b":"ü"}', 's {"c":3}']);
});

Deno.test("StreamOutput goes on within a piece when the stream was full, and hands over no line twice", async () => {
  const stream = new FakeStream();
  const { output } = outputTo(stream);
  const pieces = ["1\n", "2\n3\n4\n", "5\n"];
  stream.room = 3;
  const first = await output.write(pieces);
  assert.equal(first.written, 1);
  assert.match(String(first.error), /stream "s": its spool is full or broken/);
  stream.room = 0;
  assert.equal((await output.write(pieces.slice(1))).written, 0);
  stream.room = 10;
  assert.deepEqual(await output.write(pieces.slice(1)), { written: 2, refused: 0 });
  assert.deepEqual(stream.lines, ["s 1", "s 2", "s 3", "s 4", "s 5"]);
});

Deno.test("StreamOutput says how many lines are too long for a record, once", async () => {
  const stream = new FakeStream();
  const { output } = outputTo(stream);
  stream.longest = 3;
  stream.room = 1;
  assert.equal((await output.write(["long line\na\nb\n"])).refused, 0, "the piece is not done");
  stream.room = 10;
  assert.deepEqual(await output.write(["long line\na\nb\n"]), { written: 1, refused: 1 });
  assert.deepEqual(stream.lines, ["s a", "s b"]);
});

Deno.test("StreamOutput waits for its stream, and gives the rest of a piece to the console when there is none any more", async () => {
  const stream = new FakeStream();
  const consoled: Array<[string, number]> = [];
  const output = new StreamOutput("s", (piece, lines) => consoled.push([piece, lines]));
  let done = false;
  const writing = output.write(["1\n"]).then(() => done = true);
  await settle();
  assert.equal(done, false);
  output.attach(stream.offer);
  await writing;
  stream.room = 1;
  await output.write(["2\n3\n4\n"]);
  output.detach();
  assert.deepEqual(await output.write(["2\n3\n4\n"]), { written: 1, refused: 0 });
  assert.deepEqual(stream.lines, ["s 1", "s 2"]);
  assert.deepEqual(consoled, [["3\n4\n", 2]]);
});

const plan: LogsPlan = {
  level: "info",
  format: "json",
  sinks: { decisions: { stream: "decisions" }, others: { stream: "others" } },
  routes: [{ match: "**", level: "trace", to: ["decisions"], only: false }],
  redact: [],
};

function setUp(role = "worker", more: Partial<LogsPlan> = {}) {
  const clock = new FakeClock();
  const console = new MemoryOutput();
  const process = { service: "splitter", role, id: 1, pid: 42 };
  const logging = createLogging({ ...plan, ...more }, { process, clock, console, terminal: false });
  return { clock, console, logging, stream: new FakeStream() };
}

/** The message, or the request line, of lines in `stream` and on the console. */
function said({ stream, console }: { stream: FakeStream; console: MemoryOutput }) {
  const text = (line: string) => {
    const { message, request } = JSON.parse(line);
    return message ?? request;
  };
  return {
    stream: stream.lines.map((line) => text(line.slice(line.indexOf(" ")))),
    console: console.lines.map(text),
  };
}

Deno.test("Logging of a worker sends lines and access lines to a stream, those before it is there among them", async () => {
  const own = setUp();
  own.logging.logger("worker").warn("early");
  await own.clock.pass(1000);
  own.logging.attachStreams(own.stream.offer);
  own.logging.logger("worker").info("later");
  own.logging.access("api").write(...request);
  await own.clock.pass(100);
  assert.deepEqual(said(own), { stream: ["early", "later", "GET /a"], console: [] });
  assert.equal(own.logging.counts().decisions!.written, 3);
});

Deno.test("Logging of other processes sends them to the console, once", async () => {
  for (const role of ["supervisor", "governor", "shipper"]) {
    const routes = [{ match: "**", level: "trace", to: ["decisions", "console", "others"], only: true }];
    const own = setUp(role, { routes });
    own.logging.attachStreams(own.stream.offer);
    own.logging.logger("streams.decisions").warn("it is full");
    await own.clock.pass(50);
    assert.deepEqual(said(own), { stream: [], console: ["it is full"] });
  }
});

Deno.test("Logging sends what streams say of themselves to no stream", async () => {
  const routes = [
    { match: "streams.decisions", level: "trace", to: ["others"], only: false },
    { match: "**", level: "trace", to: ["decisions"], only: false },
  ];
  const own = setUp("worker", { routes });
  own.logging.attachStreams(own.stream.offer);
  own.logging.logger("streams.decisions").error("it is full");
  own.logging.logger("streamsOfMine").error("mine");
  await own.clock.pass(50);
  assert.deepEqual(said(own), { stream: ["mine"], console: ["it is full"] });
});

Deno.test("Logging keeps lines while the spool is full, says so beside it, and drops and counts what is too much", async () => {
  const own = setUp();
  own.logging.attachStreams(own.stream.offer);
  own.stream.room = 0;
  const log = own.logging.logger("worker");
  log.info("first");
  await own.clock.pass(50);
  assert.match(said(own).console[0], /cannot write to the log sink "decisions"/);
  for (let i = 0; i < 40_000; i++) log.info("more");
  const { dropped } = own.logging.counts().decisions!;
  assert.ok(dropped >= 40_000 - 32_768, String(dropped));
  own.stream.room = Infinity;
  for (let i = 0; i < 50 && own.logging.counts().decisions!.written + dropped < 40_001; i++) {
    await own.clock.pass(500);
  }
  assert.equal(own.logging.counts().decisions!.written, 40_001 - dropped);
  assert.ok(said(own).stream.includes(`dropped ${dropped} lines`));
});

Deno.test("Logging hands over its last lines before the streams close, and later ones go to the console", async () => {
  const own = setUp();
  own.logging.attachStreams(own.stream.offer);
  own.logging.logger("worker").info("last");
  own.logging.access("api").write(...request);
  await own.logging.detachStreams();
  assert.deepEqual(said(own), { stream: ["last", "GET /a"], console: [] });
  own.logging.logger("worker").info("after");
  await own.logging.close();
  assert.deepEqual(said(own), { stream: ["last", "GET /a"], console: ["after"] });
});

Deno.test("Logging writes lines to the console whose stream was never opened", async () => {
  const own = setUp();
  own.logging.logger("worker").error("cannot start");
  await own.clock.pass(100);
  await own.logging.close();
  assert.deepEqual(said(own), { stream: [], console: ["cannot start"] });
});
