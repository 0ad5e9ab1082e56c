import assert from "node:assert/strict";
import { join } from "node:path";
import { CursorFile } from "../stream/cursor_file.ts";
import { type MakeSink, type OutgoingRecord, SinkError } from "../stream/contract.ts";
import { DeadLetters } from "../stream/dead_letters.ts";
import { spoolSinks } from "../stream/spool_sinks.ts";
import { firstAt, MadeSpool } from "../stream/testdata/make_spool.ts";
import type { Terminal } from "./command.ts";
import { main } from "./main.ts";
import { type SinkTable, spoolCommand } from "./spool_command.ts";

const laneA = "worker1-10-a1";
const laneB = "worker2-11-a2";

/** A stream of two lanes, five records in each: those of the older one in three segments, the last of them open. */
function twoLanes(spool: MadeSpool): string {
  const value = (lane: string, n: number) => ({ value: `{"lane":"${lane}","n":${n}}`, key: `k${n}` });
  spool.lane("decisions", laneA, [[1, 2], [3, 4], [5]].map((list) => list.map((n) => value("a", n))), true);
  spool.lane("decisions", laneB, [[1, 2, 3, 4, 5].map((n) => value("b", n))]);
  return join(spool.folder, "decisions");
}

async function weir(args: string[], sinks: SinkTable = {}) {
  let out = "";
  let err = "";
  const terminal: Terminal = {
    out: (text) => out += `${text}\n`,
    err: (text) => err += `${text}\n`,
    human: false,
  };
  const code = await main(["spool", ...args], terminal, [spoolCommand(() => Promise.resolve(sinks))]);
  return { code, out, err, lines: out.split("\n").filter((line) => line !== "") };
}

/** Sinks that keep what they get; they fail from record number `failsAt` on. */
function keeping(failsAt = Infinity): { got: OutgoingRecord[]; plans: unknown[]; sinks: SinkTable } {
  const got: OutgoingRecord[] = [];
  const plans: unknown[] = [];
  const make: MakeSink = ({ plan }) => {
    plans.push(plan);
    return {
      send(records) {
        if (got.length + records.length > failsAt) {
          return Promise.reject(new SinkError("refused", "too many", { refused: [failsAt - got.length] }));
        }
        got.push(...records);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
  };
  return { got, plans, sinks: { file: () => Promise.resolve(make), kafka: () => Promise.resolve(make) } };
}

const idsOf = (records: readonly OutgoingRecord[]) =>
  records.map(({ lane, sequence }) => `${lane}/${sequence}`);

Deno.test("spool inspect counts lanes, segments, records, what is done and what waits", async () => {
  using spool = new MadeSpool();
  const stream = twoLanes(spool);
  const counts = { done: 3, acked: 3, failed: 0, dropped: 0, damagedBytes: 0, ackedAt: 0 };
  new CursorFile(join(stream, laneA, "cursor")).write(counts, { sync: false });
  for (const folder of [spool.folder, stream, join(stream, laneA)]) {
    const { code, out } = await weir(["inspect", folder, "--json"]);
    assert.equal(code, 0);
    const [{ name, lanes }] = JSON.parse(out);
    assert.equal(name, "decisions");
    assert.equal(lanes.length, folder.endsWith(laneA) ? 1 : 2);
    const { bytes, ...first } = lanes[0];
    assert.ok(bytes > 5 * 28);
    assert.deepEqual(first, {
      name: laneA,
      written: false,
      segments: 3,
      records: 5,
      unreadBytes: 0,
      first: 1,
      last: 5,
      firstAt,
      lastAt: firstAt + 4000,
      done: 3,
      waiting: 2,
    });
    if (lanes[1]) assert.deepEqual([lanes[1].done, lanes[1].waiting], [null, 5]);
  }
  const { out } = await weir(["inspect", spool.folder]);
  assert.match(out, /^decisions: 7 records wait, 0 dead letters \(/);
  assert.match(out, /worker1-10-a1 +dead +3 +5 +\d+ +1-5 +3 +2 +2026-01-02T03:04:05\.000Z/);
});

Deno.test("spool inspect sees a living writer and does not disturb it", async () => {
  using spool = new MadeSpool();
  const writer = join(twoLanes(spool), laneA, "writer");
  using file = Deno.openSync(writer, { write: true });
  assert.ok(file.tryLockSync(true));
  const writtenOf = async () =>
    JSON.parse((await weir(["inspect", spool.folder, "--json"])).out)[0].lanes[0].written;
  assert.equal(await writtenOf(), true);
  file.unlockSync();
  assert.equal(await writtenOf(), false);
  assert.ok(file.tryLockSync(true), "nobody holds it");
});

Deno.test("spool inspect --records prints records as they are: JSON, text and bytes", async () => {
  using spool = new MadeSpool();
  spool.lane("s", laneA, [[
    { value: '{"big": 12345678901234567890,\n "a": 1}', key: "k", headers: { h: "1" } },
    { value: "not JSON" },
    { value: new Uint8Array([255, 0]), key: new Uint8Array([254]) },
    { value: "4" },
  ]]);
  const head = (sequence: number) =>
    `{"stream":"s","lane":"${laneA}","sequence":${sequence},"time":"${
      new Date(firstAt + (sequence - 1) * 1000).toISOString()
    }"`;
  const { lines, code } = await weir(["inspect", spool.folder, "--records", "9"]);
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    `${head(1)},"key":"k","headers":{"h":"1"},"value":{"big": 12345678901234567890,  "a": 1}}`,
    `${head(2)},"text":"not JSON"}`,
    `${head(3)},"keyBase64":"/g==","base64":"/wA="}`,
    `${head(4)},"value":4}`,
  ]);
  const some = await weir(["inspect", spool.folder, "--records", "2", "--from", "2", "--lane", laneA]);
  assert.deepEqual(some.lines, lines.slice(1, 3));
});

Deno.test("spool verify finds nothing wrong with a good spool, and notes a torn tail", async () => {
  using spool = new MadeSpool();
  const lane = join(twoLanes(spool), laneA);
  const good = await weir(["verify", spool.folder]);
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /^decisions: 10 records in 4 segments, \d+ bytes\nno problems\n$/);
  Deno.writeFileSync(join(lane, "0000000000000005.open"), new Uint8Array(9).fill(1), { append: true });
  const torn = await weir(["verify", spool.folder]);
  assert.equal(torn.code, 0);
  assert.match(
    torn.err,
    /0000000000000005\.open:\d+: note: its writer ended in the middle: .*9 bytes cannot be read/,
  );
  using file = Deno.openSync(join(lane, "writer"), { write: true });
  assert.ok(file.tryLockSync(true));
  assert.equal(
    (await weir(["verify", spool.folder])).err,
    "",
    "a living writer is in the middle of a record",
  );
});

Deno.test("spool verify names file, offset and cause of every problem", async () => {
  const cases: [what: string, wrong: (lane: string) => void, expected: RegExp][] = [
    ["a byte of a record", (lane) => {
      const path = join(lane, "0000000000000001-0000000000000002.seg");
      const bytes = Deno.readFileSync(path);
      bytes[60]! ^= 4;
      Deno.writeFileSync(path, bytes);
    }, /0002\.seg:32: the checksum differs; \d+ bytes cannot be read, 1 records are lost/],
    ["a header", (lane) => {
      const path = join(lane, "0000000000000003-0000000000000004.seg");
      const bytes = Deno.readFileSync(path);
      bytes[3]! ^= 4;
      Deno.writeFileSync(path, bytes);
    }, /0004\.seg:0: the header is damaged; 32 bytes cannot be read/],
    ["a closed segment cut off", (lane) => {
      const path = join(lane, "0000000000000003-0000000000000004.seg");
      Deno.truncateSync(path, Deno.statSync(path).size - 1);
    }, /0004\.seg:\d+: the last record is cut off; \d+ bytes cannot be read, 1 records are lost/],
    ["a closed segment without its last record", (lane) => {
      const path = join(lane, "0000000000000003-0000000000000004.seg");
      const size = Deno.statSync(path).size;
      Deno.truncateSync(path, 32 + (size - 32) / 2);
    }, /0004\.seg:\d+: ends with 3, but its name says 4/],
    [
      "a segment that is missing",
      (lane) => Deno.removeSync(join(lane, "0000000000000003-0000000000000004.seg")),
      /0005\.open:0: begins with 5, but the segment before it ends with 2/,
    ],
    ["a segment of another name", (lane) => {
      const path = join(lane, "0000000000000005.open");
      Deno.renameSync(path, join(lane, "0000000000000006.open"));
    }, /0006\.open:0: its header says that it begins with 5/],
    [
      "a cursor",
      (lane) => Deno.writeFileSync(join(lane, "cursor"), new Uint8Array(128)),
      /cursor:0: damaged/,
    ],
  ];
  for (const [what, wrong, expected] of cases) {
    using spool = new MadeSpool();
    const stream = twoLanes(spool);
    wrong(join(stream, laneA));
    const { code, err, out } = await weir(["verify", spool.folder]);
    assert.equal(code, 1, what);
    assert.match(err, expected, what);
    assert.match(out, /\d+ problems\n$/);
    const json = JSON.parse((await weir(["verify", spool.folder, "--json"])).out);
    assert.equal(json.ok, false);
  }
});

Deno.test("spool replay prints every record once and changes nothing", async () => {
  using spool = new MadeSpool();
  twoLanes(spool);
  const before = spool.content();
  const { code, lines, err } = await weir(["replay", spool.folder]);
  assert.equal(code, 0);
  assert.equal(lines.length, 10);
  assert.deepEqual(JSON.parse(lines[7]!).value, { lane: "b", n: 3 });
  assert.equal(err, "10 records handed over\n");
  const part = await weir(["replay", spool.folder, "--from", "2", "--to-sequence", "4", "--lane", laneB]);
  assert.deepEqual(part.lines.map((line) => JSON.parse(line).sequence), [2, 3, 4]);
  assert.deepEqual(spool.content(), before);
});

Deno.test("spool replay hands records to the sink of the manifest, and goes on where it stopped", async () => {
  using spool = new MadeSpool();
  const folder = twoLanes(spool);
  const manifest = join(spool.folder, "service.yaml");
  Deno.writeTextFileSync(
    manifest,
    "service: s\nloops: { l: { handler: ./h.ts, every: 1s } }\nmeta: false\n" +
      "streams:\n  decisions: { kafka: { brokers: [127.0.0.1:1], topic: t } }\n",
  );
  Deno.writeTextFileSync(join(spool.folder, "h.ts"), "");
  const all = keeping();
  const done = await weir(["replay", folder, "--manifest", manifest], all.sinks);
  assert.equal(done.code, 0, done.err);
  assert.equal(all.got.length, 10);
  assert.equal((all.plans[0] as { kafka: { topic: string } }).kafka.topic, "t");

  const none = keeping(7);
  const stopped = await weir(["replay", folder, "--manifest", manifest, "--to", "manifest"], none.sinks);
  assert.equal(stopped.code, 1);
  assert.match(
    stopped.err,
    /^0 records handed over; stopped at worker1-10-a1\/1: too many \(it is worker2-11-a2\/3 .*\ngo on with --from worker1-10-a1\/1\n$/,
  );
  const rest = keeping();
  await weir(
    ["replay", folder, "--to", `file:${join(spool.folder, "x")}`, "--from", `${laneA}/5`],
    rest.sinks,
  );
  assert.deepEqual(idsOf(rest.got), [`${laneA}/5`, ...[1, 2, 3, 4, 5].map((n) => `${laneB}/${n}`)]);
  assert.equal((rest.plans[0] as { file: string }).file, join(spool.folder, "x"));
});

Deno.test("spool replay --to file: writes the lines that it prints otherwise", async () => {
  using spool = new MadeSpool();
  const folder = twoLanes(spool);
  const file = join(spool.folder, "out.jsonl");
  const { code, err, out } = await weir(["replay", folder, "--to", `file:${file}`], spoolSinks);
  assert.deepEqual([code, err, out], [0, "10 records handed over\n", ""]);
  assert.equal(Deno.readTextFileSync(file), (await weir(["replay", folder])).out);
});

Deno.test("spool replay --dead hands the dead letters over", async () => {
  using spool = new MadeSpool();
  const folder = twoLanes(spool);
  const letter = (sequence: number, lane = laneA) => ({
    cause: "too large",
    record: {
      lane,
      sequence,
      timestamp: firstAt,
      key: sequence === 2 ? new Uint8Array([1]) : null,
      headers: { h: "x" },
      value: new Uint8Array([sequence]),
    },
  });
  const letters = new DeadLetters(folder, { gaveUp() {}, maxFileBytes: 300 });
  letters.append([letter(1), letter(2)], 0);
  letters.append([letter(9, "supervisor0-1-a"), letter(3)], 0);
  Deno.writeTextFileSync(join(folder, "dead.jsonl"), "half a li\n{", { append: true });
  const { code, err, lines } = await weir(["replay", folder, "--dead"]);
  assert.equal(code, 0, err);
  assert.deepEqual(lines.map((line) => JSON.parse(line)).map(({ lane, sequence }) => `${lane}/${sequence}`), [
    `${laneA}/1`,
    `${laneA}/2`,
    "supervisor0-1-a/9",
    `${laneA}/3`,
  ]);
  const { time, headers, key, text } = JSON.parse(lines[1]!);
  assert.deepEqual([time, headers, key, text], [new Date(firstAt).toISOString(), { h: "x" }, "\x01", "\x02"]);
  assert.match(err, /^dead\.jsonl:3: no dead letter\n4 records handed over\n$/);
  const rest = keeping();
  await weir(["replay", folder, "--dead", "--to", "file:x", "--from", "supervisor0-1-a/9"], rest.sinks);
  assert.deepEqual(idsOf(rest.got), ["supervisor0-1-a/9", `${laneA}/3`]);
});

Deno.test("spool replay leaves out what is damaged, says so and exits with 1", async () => {
  using spool = new MadeSpool();
  const path = join(twoLanes(spool), laneB, "0000000000000001-0000000000000005.seg");
  const bytes = Deno.readFileSync(path);
  bytes[40]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const { code, lines, err } = await weir(["replay", spool.folder]);
  assert.equal(code, 1);
  assert.equal(lines.length, 9);
  assert.match(err, /0005\.seg:32: the checksum differs; \d+ bytes are left out\n9 records handed over\n$/);
});

Deno.test("spool refuses what it does not understand, with the way to say it", async () => {
  using spool = new MadeSpool();
  twoLanes(spool);
  spool.lane("other", laneA, [[{ value: "1" }]]);
  const cases: [string[], number, RegExp][] = [
    [["repair", spool.folder], 2, /spool has no `repair`; it is: spool inspect\|verify\|replay <folder>/],
    [["inspect"], 2, /spool needs <folder>/],
    [["inspect", join(spool.folder, "nothing")], 1, /no part of a spool/],
    [["inspect", spool.folder, "--stream", "x"], 2, /has no stream `x`; it has decisions, other/],
    [["inspect", spool.folder, "--lane", "x"], 1, /Cannot find the lane x/],
    [["inspect", spool.folder, "--records", "few"], 2, /`--records` takes a number, not `few`/],
    [["replay", spool.folder], 2, /name one stream: --stream decisions\|other/],
    [
      ["replay", spool.folder, "--stream", "other", "--to", "kafka"],
      2,
      /`--to` is stdout, file:<path> or manifest/,
    ],
    [["replay", spool.folder, "--stream", "other", "--to", "manifest"], 2, /needs `--manifest <file>`/],
  ];
  for (const [args, expected, text] of cases) {
    const { code, err } = await weir(args);
    assert.match(err, text);
    assert.equal(code, expected, err);
  }
  const help = await weir(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.out, /at least once/);
});
