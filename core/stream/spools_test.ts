import assert from "node:assert/strict";
import { decode } from "@msgpack/msgpack";
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import { readLanes, recordsOf } from "./testdata/spool_files.ts";
import { bytesOfSegments, startWriting, type Writing, type WritingOptions } from "./testdata/writing.ts";

async function withSpool(
  options: Omit<WritingOptions, "directory">,
  test: (writing: Writing, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const writing = await startWriting({ directory, ...options });
  try {
    await test(writing, directory);
  } finally {
    await writing.streams.close();
    await Deno.remove(directory, { recursive: true });
  }
}

function readOne(folder: string) {
  const [segments] = [...readLanes(folder).values()];
  return recordsOf(segments!);
}

/** Waits until `holds`, for ten seconds at most. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < limit, `not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const refusal = (reason: string) => (error: unknown) =>
  error instanceof ServiceError && error.reason === reason;

/** A clock whose wall time jumps; timers and differences are real. */
class JumpingClock implements Clock {
  offset = 0;
  now = () => systemClock.now();
  epoch = () => systemClock.epoch() + this.offset;
  random = () => systemClock.random();
  after = (delayMs: number, callback: () => void) => systemClock.after(delayMs, callback);
  every = (periodMs: number, callback: () => void) => systemClock.every(periodMs, callback);
}

Deno.test("send() resolves when the record can be read, with its key, headers and time", async () => {
  await withSpool({}, async ({ stream, folder }) => {
    await stream.send({ a: "ä" }, { key: "kö", headers: { trace: "t1", empty: "" }, timestamp: 12.5 });
    await stream.send([1], { key: new Uint8Array([65, 66]) });
    await stream.send(null, { key: "" });
    const [first, second, third] = readOne(folder);
    assert.equal(first!.text, '{"a":"ä"}');
    assert.deepEqual([first!.key, first!.headers, first!.timestamp], [
      "kö",
      { trace: "t1", empty: "" },
      12.5,
    ]);
    assert.deepEqual([second!.text, second!.key, second!.headers], ["[1]", "AB", {}]);
    assert.deepEqual([third!.text, third!.key], ["null", ""]);
  });
});

Deno.test("openSpools() makes folders 0700 and files 0600 and holds the lock of its lane until close()", async () => {
  await withSpool({}, async ({ stream, streams, folder }) => {
    const [lane] = [...Deno.readDirSync(folder)].map(({ name }) => name);
    const path = `${folder}/${lane}`;
    assert.deepEqual([...Deno.readDirSync(path)].map(({ name }) => name), ["writer"]);
    await stream.send(1);
    assert.equal(Deno.statSync(folder).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o700);
    for (const { name } of Deno.readDirSync(path)) {
      assert.equal(Deno.statSync(`${path}/${name}`).mode! & 0o777, 0o600);
    }
    using writer = Deno.openSync(`${path}/writer`);
    assert.equal(writer.tryLockSync(false), false);
    await streams.close();
    assert.equal(writer.tryLockSync(false), true);
    assert.deepEqual([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [
      "0000000000000001-0000000000000001.seg",
      "writer",
    ]);
  });
});

Deno.test("openSpools() makes a lane of its own each time, also within one process and millisecond", async () => {
  await withSpool({}, async ({ folder }, directory) => {
    const others = [await startWriting({ directory }), await startWriting({ directory })];
    assert.equal([...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory).length, 3);
    for (const { streams } of others) await streams.close();
  });
});

Deno.test("handle() throws TypeError for a stream that nobody declared", async () => {
  await withSpool({}, ({ streams }) => {
    assert.throws(() => streams.handle("t", { deadline: Infinity }), /no stream "t"; declared are: s/);
    return Promise.resolve();
  });
});

Deno.test("send() and offer() keep the order in which they were called", async () => {
  await withSpool({ max: 1 << 20, workers: 1 }, async ({ stream, folder }) => {
    const sent: Promise<void>[] = [];
    for (let n = 0; n < 2000; n++) {
      if (n % 3 === 0) sent.push(stream.send(n));
      else assert.equal(stream.offer(n), true);
      if (n % 97 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent);
    await stream.send("last");
    assert.deepEqual(
      readOne(folder).map(({ text }) => text),
      [...Array(2000).keys()].map(String).concat('"last"'),
    );
  });
});

Deno.test("send() gives all senders of a turn one promise, and offers are written without one", async () => {
  await withSpool({}, async ({ stream, folder, series }) => {
    const one = stream.send(1);
    assert.equal(stream.send(2), one);
    await one;
    await until(() => series.of("weir_stream_commit_seconds") === 1, "one commit is counted");
    assert.ok(stream.offer(3));
    await until(() => readOne(folder).length === 3, "the offered record is written");
    await until(() => series.of("weir_stream_written_total") === 3, "the offered record is counted");
    await until(() => series.of("weir_stream_buffered_bytes") === 0, "nothing waits");
  });
});

Deno.test("send() throws TypeError for what its codec cannot encode, and leaves nothing behind", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const bad: Record<string, unknown[]> = {
    json: [undefined, () => {}, 1n, circular, Symbol("s"), {
      toJSON: () => {
        throw new Error("no");
      },
    }],
    msgpack: [undefined, () => {}, circular, Symbol("s")],
    raw: [1, {}, null, undefined, [1]],
  };
  for (const codec of ["json", "msgpack", "raw"] as const) {
    await withSpool({ codec }, async ({ stream, folder }) => {
      for (const record of bad[codec]!) {
        const failed = await settled(() => stream.send(record));
        assert.ok(failed instanceof TypeError, `${codec} ${String(failed)}`);
        assert.throws(() => stream.offer(record), TypeError);
      }
      await stream.send("good");
      const records = readOne(folder);
      assert.equal(records.length, 1);
      const { value, text } = records[0]!;
      assert.equal(codec === "msgpack" ? decode(value) : codec === "json" ? JSON.parse(text) : text, "good");
    });
  }
});

async function settled(run: () => Promise<void>): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
}

Deno.test("send() copies raw bytes at once, and a toJSON may send a record of its own", async () => {
  await withSpool({ codec: "raw" }, async ({ stream, folder }) => {
    const bytes = new Uint8Array([1, 2, 3]);
    const sent = stream.send(bytes);
    bytes.fill(9);
    await sent;
    assert.deepEqual([...readOne(folder)[0]!.value], [1, 2, 3]);
  });
  await withSpool({}, async ({ stream, folder }) => {
    await stream.send({ toJSON: () => (stream.offer("inner"), "outer") });
    assert.deepEqual(readOne(folder).map(({ text }) => text), ['"inner"', '"outer"']);
  });
});

Deno.test("send() throws RangeError with the numbers for a record longer than limits.record, and counts it", async () => {
  await withSpool({ codec: "raw", record: 100 }, async ({ stream, series, folder }) => {
    assert.throws(() => void stream.send("x".repeat(101)), /a record of 101 bytes: 100 at most/);
    assert.throws(() => void stream.send("ä".repeat(51)), /a record of 102 bytes: 100 at most/);
    assert.throws(() => void stream.send("x".repeat(98), { key: "abc" }), /a record of 101 bytes/);
    assert.throws(() => void stream.send("x", { headers: { a: "y".repeat(100) } }), RangeError);
    assert.throws(() => stream.offer(new Uint8Array(101)), RangeError);
    assert.throws(() => stream.offer("", { key: "x".repeat(0xffff) }), RangeError);
    assert.throws(() => stream.offer("", { headers: { ["x".repeat(256)]: "" } }), RangeError);
    await stream.send("x".repeat(100));
    assert.equal(readOne(folder).length, 1);
    assert.equal(series.refused("too_large"), 5);
  });
  // What the whole spool cannot hold is too long as well.
  await withSpool({ codec: "raw", max: 65_536 }, ({ stream }) => {
    assert.throws(() => void stream.send("x".repeat(65_536)), /65476 at most/);
    return Promise.resolve();
  });
});

Deno.test("segments are complete at their size, and a longer record has one of its own", async () => {
  await withSpool({ codec: "raw", max: 65_536 }, async ({ stream, folder }) => {
    const sent = [];
    for (let n = 0; n < 20; n++) sent.push(stream.send(String(n).padEnd(n === 10 ? 10_000 : 1000, "x")));
    await Promise.all(sent);
    const [segments] = [...readLanes(folder).values()];
    assert.equal(recordsOf(segments!).length, 20);
    assert.equal(segments!.filter(({ open }) => open).length, 1);
    for (const { bytes, records } of segments!) assert.ok(bytes <= 4096 || records.length === 1);
    assert.equal(segments!.find(({ bytes }) => bytes > 4096)!.first, 11);
  });
});

Deno.test("full: reject refuses senders with spool_full, offers with false, and takes records again when there is room", async () => {
  await withSpool(
    { codec: "raw", max: 65_536, full: "reject" },
    async ({ stream, folder, series, lines }) => {
      const record = "x".repeat(1000);
      let taken = 0;
      let error: unknown;
      while (error === undefined) {
        error = await settled(() => stream.send(record));
        if (error === undefined) taken++;
      }
      assert.ok(refusal("spool_full")(error), String(error));
      assert.equal(stream.offer(record), false);
      assert.equal(series.refused("full"), 2);
      assert.ok(bytesOfSegments(folder) <= 65_536);
      assert.ok(taken > 40, `${taken} of 65536 bytes`);
      assert.equal(readOne(folder).length, taken);
      assert.deepEqual(lines, ["warn the spool is full"]);
      removeOldest(folder);
      await until(() => stream.offer("again"), "there is room again");
      await stream.send("and again");
      const [segments] = [...readLanes(folder).values()];
      assert.deepEqual(recordsOf(segments!, segments![0]!.first).slice(-2).map(({ text }) => text), [
        "again",
        "and again",
      ]);
    },
  );
});

function removeOldest(folder: string): void {
  const [lane, segments] = [...readLanes(folder)][0]!;
  assert.equal(segments[0]!.open, false);
  Deno.removeSync(`${folder}/${lane}/${segments[0]!.file}`);
}

Deno.test("full: block lets senders wait for room, until their deadline at most, and the others go on", async () => {
  await withSpool(
    { codec: "raw", max: 65_536, full: "block" },
    async ({ stream, withDeadline, folder, series }) => {
      const record = "x".repeat(1000);
      let full = false;
      const begun = performance.now();
      for (let n = 0; !full; n++) {
        const error = await settled(() =>
          withDeadline(Date.now() + (n < 40 ? 30_000 : 250)).send(`${n} ${record}`)
        );
        if (error) assert.ok(full = refusal("spool_full")(error), String(error));
      }
      assert.ok(performance.now() - begun >= 250);
      const patient = stream.send("patient");
      await assert.rejects(withDeadline(Date.now() + 200).send("late"), refusal("spool_full"));
      assert.equal(stream.offer(record), false);
      removeOldest(folder);
      await patient;
      assert.equal(series.refused("full"), 3);
      const [segments] = [...readLanes(folder).values()];
      const records = recordsOf(segments!, segments![0]!.first);
      assert.equal(records.at(-1)!.text, "patient");
      assert.ok(!records.some(({ text }) => text === "late"));
      assert.ok(bytesOfSegments(folder) <= 65_536);
    },
  );
});

Deno.test("full: dropOldest gives up the oldest segments of all lanes", async () => {
  const options = { codec: "raw", max: 65_536, full: "dropOldest" } as const;
  await withSpool(options, async ({ stream, folder }, directory) => {
    const before = await startWriting({ directory, ...options, id: 2 });
    for (let n = 0; n < 20; n++) await before.stream.send(`old ${n} `.padEnd(1000, "x"));
    await before.streams.close();
    for (let n = 0; n < 300; n++) await stream.send(`new ${n} `.padEnd(1000, "x"));
    assert.ok(bytesOfSegments(folder) <= 65_536);
    const lanes = [...readLanes(folder)];
    const [own, other] = [
      lanes.find(([name]) => name.startsWith("worker1-"))!,
      lanes.find(([name]) => name.startsWith("worker2-"))!,
    ];
    assert.deepEqual(other[1], []);
    const records = recordsOf(own[1], own[1][0]!.first);
    assert.equal(records.at(-1)!.text.trimEnd().slice(0, 7), "new 299");
    assert.ok(records.length > 40 && records.length < 65);
  });
});

Deno.test("full: dropOldest refuses where only segments of living writers are left", async () => {
  const options = { codec: "raw", max: 65_536, full: "dropOldest" } as const;
  await withSpool(options, async ({ stream }, directory) => {
    const others: Writing[] = [];
    for (let id = 2; id < 18; id++) others.push(await startWriting({ directory, ...options, id }));
    for (const other of others) await other.stream.send("x");
    await assert.rejects(stream.send("y"), refusal("spool_full"));
    await others[0]!.streams.close();
    await until(() => stream.offer("z"), "room again");
    await stream.send("y");
    for (const other of others) await other.streams.close();
  });
});

Deno.test("an open segment whose writer is gone counts with its size, and can be given up", async () => {
  const options = { codec: "raw", max: 65_536, full: "reject" } as const;
  await withSpool(options, async ({ folder }, directory) => {
    // As a killed process leaves them.
    for (let n = 0; n < 16; n++) {
      Deno.mkdirSync(`${folder}/worker9-${n + 1}-a`);
      Deno.writeFileSync(`${folder}/worker9-${n + 1}-a/0000000000000001.open`, new Uint8Array(40));
      Deno.writeFileSync(`${folder}/worker9-${n + 1}-a/writer`, new Uint8Array(0));
    }
    const other = await startWriting({ directory, ...options, id: 3 });
    for (let n = 0; n < 50; n++) await other.stream.send("x".repeat(1000));
    await other.streams.close();
  });
});

Deno.test("send() that nobody awaits does not end the process when it fails", async () => {
  const unhandled: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", listener);
  try {
    await withSpool({ codec: "raw", max: 65_536, full: "reject" }, async ({ stream, streams, series }) => {
      for (let n = 0; n < 200; n++) void stream.send("x".repeat(1000));
      await until(() => series.refused("full") > 0, "some are refused");
      void stream.send("x");
      await streams.close();
      void stream.send("x");
      assert.equal(series.refused("closed"), 1);
      // Rejections without a handler are reported at the end of a turn.
      for (let n = 0; n < 3; n++) await new Promise((resolve) => setTimeout(resolve, 0));
    });
    assert.deepEqual(unhandled, []);
  } finally {
    removeEventListener("unhandledrejection", listener);
  }
});

Deno.test("close() writes what waits and refuses what comes later", async () => {
  await withSpool({}, async ({ stream, streams, folder, series }) => {
    const sent = [];
    for (let n = 0; n < 5000; n++) {
      if (n % 2 === 0) sent.push(stream.send(n));
      else assert.ok(stream.offer(n));
    }
    const closed = streams.close();
    await assert.rejects(stream.send("late"), refusal("draining"));
    assert.equal(stream.offer("late"), false);
    await closed;
    await Promise.all(sent);
    const [segments] = [...readLanes(folder).values()];
    assert.deepEqual(segments!.map(({ open }) => open), [false]);
    assert.equal(recordsOf(segments!).length, 5000);
    assert.equal(series.refused("closed"), 2);
    await streams.close();
  });
});

Deno.test("close() refuses senders who wait for room, within its time", async () => {
  await withSpool({ codec: "raw", max: 65_536 }, async ({ stream, streams }) => {
    const sent = Array.from(
      { length: 100 },
      () => stream.send("x".repeat(1000)).then(() => "written", (error) => error.reason),
    );
    await sent[0];
    const begun = performance.now();
    await streams.close();
    const results = await Promise.all(sent);
    assert.ok(results.includes("spool_full") && results.includes("written"), results.join(" "));
    assert.ok(performance.now() - begun < 5000);
  });
});

Deno.test("close() leaves no segment where nothing was written", async () => {
  await withSpool({}, async ({ streams, folder }) => {
    await streams.close();
    const [lane] = [...readLanes(folder).values()];
    assert.deepEqual(lane, []);
  });
});

Deno.test("senders wait their turn when both buffers are full, and no more than a bounded number of them", async () => {
  await withSpool({ codec: "raw", record: 1 << 20 }, async ({ stream, series, folder }) => {
    const record = new Uint8Array(1 << 20);
    const results = await Promise.all(Array.from({ length: 20 }, (_, n) => {
      record[0] = n;
      return stream.send(record).then(() => n, (error) => error.reason);
    }));
    const refused = results.filter((one) => one === "spool_full").length;
    assert.ok(refused > 0, "more is kept in memory than ought to be");
    assert.equal(series.refused("buffer"), refused);
    const written = results.filter((one) => typeof one === "number");
    assert.deepEqual(readOne(folder).map(({ value }) => value[0]), written);
    assert.ok(written.length >= 6, `${written.length} of 20`);
  });
});

Deno.test("a lane that somebody takes away is made again, once said and counted", async () => {
  await withSpool({ codec: "raw", max: 65_536 }, async ({ stream, folder, series, lines }) => {
    await stream.send("x".repeat(1000));
    await Deno.remove(folder, { recursive: true });
    const [before] = [lines.length];
    await until(() => {
      void stream.send("x".repeat(1000));
      return series.of("weir_stream_lane_restored_total") > 0;
    }, "it was noticed");
    await stream.send("after");
    assert.deepEqual(lines.slice(before).filter((line) => line.startsWith("error")).length, 1);
    const [lane, segments] = [...readLanes(folder)][0]!;
    assert.equal(recordsOf(segments, segments[0]!.first).at(-1)!.text, "after");
    using writer = Deno.openSync(`${folder}/${lane}/writer`);
    assert.equal(writer.tryLockSync(false), false);
  });
});

Deno.test("files unlinked below a lane that is hardly used are noticed within seconds", async () => {
  const clock = new JumpingClock();
  let ahead = 0;
  clock.now = () => systemClock.now() + ahead;
  await withSpool({ clock }, async ({ stream, folder, series }) => {
    await stream.send(1);
    const [lane] = [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory);
    Deno.removeSync(`${folder}/${lane!.name}/0000000000000001.open`);
    ahead = 2000;
    await stream.send(2);
    assert.equal(series.of("weir_stream_lane_restored_total"), 1);
    const [segments] = [...readLanes(folder).values()];
    assert.deepEqual(recordsOf(segments!, 2).map(({ text }) => text), ["2"]);
  });
});

Deno.test("jumps of the wall clock change nothing but the times of records", async () => {
  const clock = new JumpingClock();
  await withSpool({ codec: "raw", max: 65_536, full: "dropOldest", clock }, async ({ stream, folder }) => {
    for (const offset of [0, 86_400_000_000, -86_400_000_000, -4e12, 0]) {
      clock.offset = offset;
      for (let n = 0; n < 40; n++) {
        await stream.send("x".repeat(1000));
        assert.ok(stream.offer("y"));
      }
    }
    await stream.send("last");
    const [segments] = [...readLanes(folder).values()];
    assert.equal(recordsOf(segments!, segments![0]!.first).at(-1)!.sequence, 401);
    assert.ok(bytesOfSegments(folder) <= 65_536);
  });
});

Deno.test("a spool can be opened again where others wrote, and leaves their lanes alone", async () => {
  await withSpool({}, async (first, directory) => {
    await first.stream.send("a");
    const second = await startWriting({ directory });
    await second.stream.send("b");
    await second.streams.close();
    assert.equal(readLanes(first.folder).size, 2);
  });
});
