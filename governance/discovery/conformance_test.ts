/** What every source of endpoints must do, with the real thing behind it and a worker's feed in front of it. */
import assert from "node:assert/strict";
import { discoveries } from "./mod.ts";
import { rigs } from "./testdata/rigs.ts";
import { Watched } from "./testdata/watched.ts";

const one = "127.0.0.1:8080";
const two = "127.0.0.2:8080";
const three = "127.0.0.3:8080";

Deno.test("discoveries all have a real source here, but for what stands in the manifest", () => {
  assert.deepEqual(discoveries.map(({ name }) => name).sort(), ["static", ...Object.keys(rigs)].sort());
});

for (const [name, start] of Object.entries(rigs)) {
  Deno.test(`${name} publishes, follows, keeps the set through a crash and goes on after it`, async () => {
    await using rig = await start();
    await rig.put(1);
    await rig.put(2);
    let folder: string;
    {
      await using watched = new Watched(rig.discovery, rig.plan);
      await watched.untilAddresses(one, two);
      assert.equal(watched.state.error, "");
      assert.equal(watched.state.cached, false);
      assert.ok(Math.abs(Date.now() - watched.state.updatedAt) < 60_000);

      // The machine has other work: the best of three tells what a change takes.
      const tookMs: number[] = [];
      for (let round = 0; round < 3; round++) {
        const added = watched.untilAddresses(one, two, three);
        await rig.put(3);
        tookMs.push(await added);
        const removed = watched.untilAddresses(one, two);
        await rig.take(3);
        tookMs.push(await removed);
      }
      assert.ok(Math.min(...tookMs) <= 1000, `a change took ${tookMs.map(Math.round)} ms`);

      await rig.crash();
      await watched.until("told of the crash", ({ state }) => state.error !== "");
      assert.deepEqual(watched.addresses, [one, two]);
      const warnings = () => watched.lines.filter((line) => line.startsWith("warn no good answer")).length;
      assert.equal(warnings(), 1);

      await rig.revive();
      await watched.until("well again", ({ state }) => state.error === "");
      assert.deepEqual(watched.addresses, [one, two]);
      await rig.put(3);
      await watched.untilAddresses(one, two, three);
      await rig.take(1);
      await watched.untilAddresses(two, three);
      assert.equal(warnings(), 1, watched.lines.join("\n"));

      await rig.crash();
      await watched.until("told of the second crash", ({ state }) => state.error !== "");
      folder = await Deno.makeTempDir({ prefix: "weir-watched-" });
      await Deno.mkdir(`${folder}/cache`, { mode: 0o700 });
      for await (const { name } of Deno.readDir(`${watched.folder}/cache`)) {
        await Deno.copyFile(`${watched.folder}/cache/${name}`, `${folder}/cache/${name}`);
      }
    }
    // Another start, without the source.
    await using watched = new Watched(rig.discovery, rig.plan, folder);
    assert.deepEqual(watched.addresses, [two, three]);
    assert.equal(watched.state.cached, true);
    await watched.until("told that the source is away", ({ state }) => state.error !== "");
    assert.deepEqual(watched.addresses, [two, three]);
    assert.equal(watched.state.cached, true);

    await rig.revive();
    await watched.until("fresh", ({ state }) => state.error === "" && !state.cached);
    assert.deepEqual(watched.addresses, [two, three]);
    await rig.take(3);
    await watched.untilAddresses(two);
  });

  Deno.test(`${name} keeps the last endpoints when all are taken away`, async () => {
    await using rig = await start();
    await rig.put(1);
    await using watched = new Watched(rig.discovery, rig.plan);
    await watched.untilAddresses(one);
    await rig.take(1);
    await watched.until("told that it is empty", ({ state }) => state.error !== "");
    assert.deepEqual(watched.addresses, [one]);
    assert.match(watched.state.error, /kept/);
    await rig.put(2);
    await watched.untilAddresses(two);
    assert.equal(watched.state.error, "");
  });
}
