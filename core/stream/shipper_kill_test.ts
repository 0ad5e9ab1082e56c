import assert from "node:assert/strict";
import { join } from "node:path";
import { TextLineStream } from "./testdata/text_lines.ts";
import type { StreamFigures } from "./contract.ts";
import { MadeLane } from "./testdata/made_lane.ts";

const rounds = 30;
const batchRecords = 50;

Deno.test("startShipper() loses no record, repeats one batch at most and never counts back when it is killed at any moment", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "weir-kill-" });
  const path = join(directory, "out.jsonl");
  const folder = join(directory, "s");
  let written = 0;
  let last: StreamFigures | undefined;
  let lanes = [new MadeLane(folder), new MadeLane(folder)];
  try {
    for (let round = 0; round <= rounds; round++) {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", new URL("testdata/ship_child.ts", import.meta.url).pathname, directory, path],
        stdout: "piped",
      }).spawn();
      const figures: StreamFigures[] = [];
      const { promise: published, resolve: isPublished } = Promise.withResolvers<void>();
      const reading = (async () => {
        for await (const line of child.stdout.pipeThrough(new TextLineStream())) {
          figures.push(JSON.parse(line));
          isPublished();
        }
        isPublished();
      })();
      // in some rounds it is killed while it starts
      if (round % 5 !== 4 || round === rounds) await published;
      const until = performance.now() + Math.random() * 150;
      const write = () =>
        lanes.forEach((lane) => written += lane.write(Math.ceil(Math.random() * 40)).length);
      do {
        write();
        if (Math.random() < 0.1) lanes[0]!.close();
        if (Math.random() < 0.05) {
          lanes[1]!.end();
          lanes = [lanes[0]!, new MadeLane(folder)];
        }
        await new Promise((resolve) => setTimeout(resolve, 3));
      } while (performance.now() < until);
      if (round === rounds) lanes.forEach((lane) => lane.end());
      child.kill(round === rounds ? "SIGTERM" : "SIGKILL");
      await reading;
      await child.status;
      for (const now of figures) {
        assert.equal(now.sent, now.acked + now.failed + now.dropped + now.queued, JSON.stringify(now));
        if (last !== undefined) {
          for (const figure of ["sent", "acked"] as const) {
            assert.ok(now[figure] >= last[figure], `${figure} goes back: ${JSON.stringify([last, now])}`);
          }
        }
        last = now;
      }
      const { ids, repeated } = readIds(path);
      assert.ok(repeated <= (round + 1) * batchRecords, `${repeated} repeated after ${round + 1} kills`);
      assert.ok(
        ids.size >= (last?.acked ?? 0),
        `${ids.size} records are there, ${last?.acked} are acknowledged`,
      );
    }
    const { ids } = readIds(path);
    assert.equal(ids.size, written);
    const { sent, acked, failed, dropped, queued, damagedBytes } = last!;
    assert.deepEqual({ sent, acked, failed, dropped, queued, damagedBytes }, {
      sent: written,
      acked: written,
      failed: 0,
      dropped: 0,
      queued: 0,
      damagedBytes: 0,
    });
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["lock", "totals"]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

/** The records of the file; a line that a kill cut off is none. Order within a lane is checked on the way. */
function readIds(path: string): { ids: Set<string>; repeated: number } {
  const ids = new Set<string>();
  let repeated = 0;
  let text = "";
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const next = new Map<string, number>();
  for (const line of text.split("\n")) {
    const id = /^\{"id":"(\S+ \d+)"\}$/.exec(line)?.[1];
    if (id === undefined) continue;
    if (ids.has(id)) {
      repeated++;
      continue;
    }
    ids.add(id);
    const [lane, sequence] = id.split(" ") as [string, string];
    assert.equal(Number(sequence), next.get(lane) ?? 1, `${id} out of order`);
    next.set(lane, Number(sequence) + 1);
  }
  return { ids, repeated };
}
