import assert from "node:assert/strict";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import type { Plan } from "../manifest/plan.ts";
import type { MakeSink, StreamFigures } from "./contract.ts";
import { startShipper } from "./shipper.ts";
import { openSpools } from "./spools.ts";
import { keptLog, type Line, noStats, Shipping, streamPlan } from "./testdata/shipping.ts";
import { MadeLane } from "./testdata/made_lane.ts";

Deno.test("startShipper() ships what openSpools() wrote, stream by stream; one without a sink holds up no other", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "weir-shipper-" });
  const taken: string[] = [];
  const lines: Line[] = [];
  const figures: Record<string, StreamFigures> = {};
  const plan = {
    workers: { count: 1 },
    streams: {
      good: streamPlan(directory),
      bad: streamPlan(directory, { stdout: undefined, file: "/nowhere/x" }),
    },
  } as unknown as Plan;
  const common = { plan, stats: noStats, clock: systemClock, logger: () => keptLog(lines) };
  const spools = openSpools({ ...common, role: "worker", id: 1 });
  const make: MakeSink = () => ({
    send: (records) => {
      for (const { value } of records) taken.push(JSON.parse(new TextDecoder().decode(value)).n);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
  const shipper = startShipper({
    ...common,
    sinks: { stdout: () => Promise.resolve(make) },
    publish: (stream, now) => void (figures[stream] = now),
  });
  const deadline = Date.now() + 60_000;
  for (let n = 1; n <= 3000; n++) {
    if (n % 100 === 0) await spools.handle("good", { deadline }).send({ n });
    else assert.ok(spools.handle("good", { deadline }).offer({ n }));
  }
  await spools.handle("bad", { deadline }).send({ n: 0 });
  await spools.close();
  assert.deepEqual(await shipper.drain(3000), { good: 0, bad: 1 });
  assert.deepEqual(taken, Array.from({ length: 3000 }, (_, n) => n + 1));
  assert.deepEqual([figures.good!.sent, figures.good!.acked, figures.good!.state], [3000, 3000, "stopped"]);
  assert.deepEqual([figures.bad!.sent, figures.bad!.queued], [1, 1]);
  assert.match(figures.bad!.error, /nothing is given that sends them there/);
  Deno.removeSync(directory, { recursive: true });
});

for (const full of ["dropOldest", "block"] as const) {
  Deno.test(`startShipper() counts every record of writers that are ahead of a slow sink once, with full: ${full}`, async () => {
    const directory = Deno.makeTempDirSync({ prefix: "weir-shipper-" });
    const spool = { directory, max: 64 * 1024, full, sync: "never" };
    const options = { plan: { spool }, send: () => new Promise<void>((resolve) => setTimeout(resolve, 3)) };
    using shipping = new Shipping(options, directory).start();
    const plan = {
      workers: { count: 2 },
      streams: { s: streamPlan(directory, { spool }) },
    } as unknown as Plan;
    const writers = [1, 2].map((id) =>
      openSpools({ plan, stats: noStats, clock: systemClock, logger: () => keptLog([]), role: "worker", id })
    );
    const deadline = Date.now() + 60_000;
    const text = "x".repeat(200);
    let sent = 0;
    for (let round = 0; round < 300; round++) {
      const streams = writers.map((writer) => writer.handle("s", { deadline }));
      await Promise.all(streams.flatMap((stream) => Array.from({ length: 10 }, () => stream.send({ text }))));
      sent += 20;
    }
    await Promise.all(writers.map((writer) => writer.close()));
    assert.equal(await shipping.end(), 0);
    const { figures, taken } = shipping;
    assert.equal(figures!.sent, sent);
    assert.equal(figures!.acked, taken.length);
    assert.equal(figures!.acked + figures!.dropped, sent);
    assert.equal(new Set(taken).size, taken.length);
    if (full === "block") assert.equal(figures!.dropped, 0);
    assert.equal(figures!.failed, 0);
    for (const lane of new Set(taken.map((name) => name.split(" ")[0]))) {
      const numbers = taken.filter((name) => name.startsWith(`${lane} `)).map((name) =>
        Number(name.split(" ")[1])
      );
      assert.ok(numbers.every((number, index) => index === 0 || number > numbers[index - 1]!));
    }
  });
}

Deno.test("startShipper() needs no more memory for a backlog of 200 MiB and a sink that is down for long", async () => {
  let down = true;
  let taken = 0;
  using shipping = new Shipping({
    make: () => ({
      send(records) {
        if (down) return Promise.reject(new Error("down"));
        taken += records.length;
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    }),
    plan: { batch: { records: 2000, bytes: 512 * 1024, wait: 1 } },
  });
  const lanes = [new MadeLane(shipping.folder), new MadeLane(shipping.folder)];
  const value = new Uint8Array(1024 - 28);
  for (let n = 0; n < 100; n++) {
    lanes[n % 2]!.write(2048, { value });
    if (n % 8 > 5) lanes[n % 2]!.close();
  }
  const total = 100 * 2048;
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const cancel = systemClock.every(5, () => void (peak = Math.max(peak, Deno.memoryUsage().rss)));
  shipping.start();
  await shipping.until(({ sent, retries }) => sent === total && retries >= 5);
  down = false;
  await shipping.until(({ acked }) => acked === total, 60_000);
  cancel();
  assert.equal(taken, total);
  assert.ok(peak - before < 80 * 2 ** 20, `${(peak - before) / 2 ** 20} MiB more`);
  lanes.forEach((lane) => lane.end());
  await shipping.end();
  assert.throws(() => Deno.statSync(join(shipping.folder, lanes[0]!.name)), Deno.errors.NotFound);
});
