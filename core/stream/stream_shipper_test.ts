import assert from "node:assert/strict";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { type OutgoingRecord, SinkError } from "./contract.ts";
import { MadeLane } from "./testdata/made_lane.ts";
import { Shipping } from "./testdata/shipping.ts";

const namesOf = (lane: MadeLane, sequences: readonly number[]) => sequences.map((n) => `${lane.name} ${n}`);
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

Deno.test("StreamShipper ships what lanes have and follows what is appended, over segments, in order", async () => {
  using shipping = new Shipping();
  const one = new MadeLane(shipping.folder);
  const two = new MadeLane(shipping.folder);
  one.write(250);
  shipping.start();
  await shipping.until(({ acked }) => acked === 250);
  two.write(10);
  one.close();
  one.write(30);
  await shipping.until(({ acked }) => acked === 290);
  assert.equal(shipping.figures!.lanes, 2);
  one.end();
  two.write(5);
  await shipping.until(({ acked, lanes }) => acked === 295 && lanes === 1);
  two.end();
  assert.equal(await shipping.end(), 0);
  assert.deepEqual(shipping.taken.filter((name) => name.startsWith(one.name)), namesOf(one, range(1, 280)));
  assert.deepEqual(shipping.taken.filter((name) => name.startsWith(two.name)), namesOf(two, range(1, 15)));
  assert.deepEqual([...Deno.readDirSync(shipping.folder)].map(({ name }) => name).sort(), ["lock", "totals"]);
  const { sent, state, queuedBytes } = shipping.figures!;
  assert.deepEqual({ sent, state, queuedBytes }, { sent: 295, state: "stopped", queuedBytes: 0 });
});

Deno.test("StreamShipper gives key, headers and time as they were written", async () => {
  const got: OutgoingRecord[] = [];
  using shipping = new Shipping({ send: (records) => void got.push(...records) });
  const lane = new MadeLane(shipping.folder);
  lane.write(1, { key: "k", headers: { a: "ä" } });
  lane.write(1);
  shipping.start();
  await shipping.until(({ acked }) => acked === 2);
  lane.end();
  await shipping.end();
  assert.equal(new TextDecoder().decode(got[0]!.key!), "k");
  assert.deepEqual({ ...got[0]!.headers }, { a: "ä" });
  assert.equal(got[0]!.timestamp, 1_700_000_000_001);
  assert.equal(got[1]!.key, null);
  assert.equal(new TextDecoder().decode(got[1]!.value), `{"id":"${lane.name} 2"}`);
});

Deno.test("StreamShipper sends the same batch again while the sink is unavailable, and reads one batch ahead at most", async () => {
  let down = true;
  const sizes: number[] = [];
  using shipping = new Shipping({
    send(records) {
      sizes.push(records.length);
      if (down) throw new SinkError("unavailable", "no broker");
    },
  });
  const lane = new MadeLane(shipping.folder);
  lane.write(5000);
  shipping.start();
  const figures = await shipping.until(({ retries }) => retries >= 3);
  assert.equal(figures.acked, 0);
  assert.equal(figures.sent, 5000);
  assert.equal(figures.queued, 5000);
  assert.equal(figures.inflight, 100);
  assert.equal(figures.error, "no broker");
  assert.equal(figures.oldestAt, 1_700_000_000_001);
  lane.write(100);
  await shipping.until(({ sent }) => sent === 5100);
  down = false;
  await shipping.until(({ acked }) => acked === 5100);
  assert.deepEqual(shipping.taken, namesOf(lane, range(1, 5100)));
  const warnings = shipping.lines.filter(({ level }) => level === "warn");
  assert.equal(warnings.length, 1, JSON.stringify(warnings));
  assert.ok(shipping.lines.some(({ message }) => message === "the sink takes records again"));
  lane.end();
  await shipping.end();
});

for (const known of [true, false]) {
  Deno.test(`StreamShipper makes dead letters of refused records, ${known ? "named" : "found by halves"}, and ships the others in order`, async () => {
    const tries = new Map<number, number>();
    const bad = (sequence: number) => sequence % 50 === 7;
    using shipping = new Shipping({
      send(records) {
        const refused = records.flatMap(({ sequence }, index) => bad(sequence) ? [index] : []);
        if (refused.length === 0) return;
        if (records.length === 1) tries.set(records[0]!.sequence, (tries.get(records[0]!.sequence) ?? 0) + 1);
        throw new SinkError("refused", "too large", known ? { refused } : {});
      },
    });
    const lane = new MadeLane(shipping.folder);
    lane.write(230, { key: "k" });
    shipping.start();
    const figures = await shipping.until(({ queued, sent }) => sent === 230 && queued === 0);
    assert.equal(figures.failed, 5);
    assert.equal(figures.acked, 225);
    assert.deepEqual(shipping.taken, namesOf(lane, range(1, 230).filter((n) => !bad(n))));
    const path = join(shipping.folder, "dead.jsonl");
    const letters = Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(letters.map(({ sequence }) => sequence), [7, 57, 107, 157, 207]);
    assert.equal(letters[0].lane, lane.name);
    assert.equal(letters[0].cause, "too large");
    assert.equal(letters[0].key, btoa("k"));
    assert.equal(atob(letters[0].value), `{"id":"${lane.name} 7"}`);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    if (!known) assert.deepEqual([...tries.values()], [3, 3, 3, 3, 3]);
    lane.end();
    await shipping.end();
  });
}

Deno.test("StreamShipper keeps refused records queued while the dead letters cannot be written", async () => {
  using shipping = new Shipping({
    send(records) {
      if (records.some(({ sequence }) => sequence === 3)) {
        throw new SinkError("refused", "no", { refused: [2] });
      }
    },
    plan: { attempts: 1 },
  });
  const lane = new MadeLane(shipping.folder);
  const path = join(shipping.folder, "dead.jsonl");
  Deno.mkdirSync(path);
  lane.write(5);
  shipping.start();
  const figures = await shipping.until(({ state, error }) =>
    state === "backingOff" && error !== "" && error !== "no"
  );
  assert.equal(figures.queued, 5);
  Deno.removeSync(path);
  await shipping.until(({ acked, failed }) => acked === 4 && failed === 1);
  assert.equal(JSON.parse(Deno.readTextFileSync(path)).sequence, 3);
  lane.end();
  await shipping.end();
});

Deno.test("StreamShipper gives up a send that does not end, with its sink, and makes a new one", async () => {
  // the time limit of a send is passed at once
  const clock = {
    ...systemClock,
    after: (ms: number, callback: () => void) => systemClock.after(ms === 35_000 ? 50 : ms, callback),
  };
  using shipping = new Shipping({
    clock,
    send: (_, sink) => sink === 1 ? new Promise<void>(() => {}) : undefined,
  });
  const lane = new MadeLane(shipping.folder);
  lane.write(5);
  shipping.start();
  const figures = await shipping.until(({ acked }) => acked === 5);
  assert.match(figures.error, /no answer within 35000 ms/);
  assert.equal(shipping.sinks, 2);
  assert.equal(shipping.closed, 1);
  lane.end();
  await shipping.end();
});

Deno.test("StreamShipper drain() ends in time, tells what is left, and the next one ships it", async () => {
  const hang = () => new Promise<void>(() => {});
  using shipping = new Shipping({ send: hang });
  const lane = new MadeLane(shipping.folder);
  lane.write(300);
  shipping.start();
  await shipping.until(({ sent, inflight }) => sent === 300 && inflight === 100);
  lane.end();
  const from = performance.now();
  assert.equal(await shipping.end(200), 300);
  assert.ok(performance.now() - from < 5000);
  assert.ok(
    shipping.lines.some(({ message }) => message === "300 records are left and will be shipped next time"),
  );
  const next = new Shipping({}, shipping.directory).start();
  assert.equal(await next.end(), 0);
  assert.deepEqual(next.taken, namesOf(lane, range(1, 300)));
  assert.equal(next.figures!.acked, 300);
});

Deno.test("StreamShipper drain() tries at once what was backing off", async () => {
  let down = true;
  using shipping = new Shipping({
    send() {
      if (down) throw new Error("down");
    },
  });
  const lane = new MadeLane(shipping.folder);
  lane.write(10);
  shipping.start();
  await shipping.until(({ retries }) => retries >= 4);
  down = false;
  lane.end();
  assert.equal(await shipping.end(), 0);
  assert.equal(shipping.figures!.acked, 10);
});

Deno.test("StreamShipper waits for the lock of another one and goes on where that ended", async () => {
  using first = new Shipping();
  const lane = new MadeLane(first.folder);
  lane.write(20);
  first.start();
  await first.until(({ acked }) => acked === 20);
  const second = new Shipping({}, first.directory).start();
  await second.until(({ state }) => state === "waitingForLock");
  lane.write(20);
  await first.until(({ acked }) => acked === 40);
  await first.end();
  lane.write(20);
  const figures = await second.until(({ acked }) => acked === 60);
  assert.equal(figures.sent, 60);
  assert.deepEqual(second.taken, namesOf(lane, range(41, 60)));
  assert.equal(second.lines.filter(({ message }) => message.includes("another process")).length, 1);
  lane.end();
  await second.end();
});

Deno.test("StreamShipper gives every lane its turn when one has far more", async () => {
  using shipping = new Shipping();
  const big = new MadeLane(shipping.folder);
  big.write(3000);
  const small = new MadeLane(shipping.folder);
  small.write(10);
  shipping.start();
  await shipping.until(({ acked }) => acked === 3010);
  assert.ok(shipping.taken.indexOf(`${small.name} 10`) < 200);
  big.end();
  small.end();
  await shipping.end();
});

Deno.test("StreamShipper says what it cannot do and goes on when it can", async () => {
  const directory = Deno.makeTempDirSync();
  const path = join(directory, "s");
  Deno.writeTextFileSync(path, "");
  using shipping = new Shipping({}, directory).start();
  const figures = await shipping.until(({ error }) => error !== "");
  assert.equal(figures.state, "backingOff");
  Deno.removeSync(path);
  const lane = new MadeLane(shipping.folder);
  lane.write(3);
  await shipping.until(({ acked }) => acked === 3);
  lane.end();
  await shipping.end();
});

Deno.test("StreamShipper does not mind a jump of the wall clock", async () => {
  let jump = 0;
  using shipping = new Shipping({ clock: { ...systemClock, epoch: () => Date.now() + jump } });
  const lane = new MadeLane(shipping.folder);
  lane.write(10);
  shipping.start();
  await shipping.until(({ acked }) => acked === 10);
  for (const by of [-1e12, 1e12]) {
    jump = by;
    lane.write(10);
    const before = shipping.figures!.acked;
    await shipping.until(({ acked }) => acked === before + 10);
  }
  lane.end();
  assert.equal(await shipping.end(), 0);
});
