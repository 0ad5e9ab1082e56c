import assert from "node:assert/strict";
import { mapFile, mappingFault } from "./map_file.ts";

Deno.test("mapFile() gives memory that every mapping of the file shares", () => {
  const path = Deno.makeTempFileSync();
  Deno.truncateSync(path, 8192);
  const one = new Uint8Array(mapFile(path, 8192));
  const two = new Uint8Array(mapFile(path, 8192));
  one[5000] = 7;
  assert.equal(two[5000], 7);
  Deno.removeSync(path);
  two[5000] = 8;
  assert.equal(one[5000], 8);
});

Deno.test("mapFile() refuses a file shorter than what is mapped", () => {
  const path = Deno.makeTempFileSync();
  Deno.truncateSync(path, 100);
  assert.throws(() => mapFile(path, 4096), /it has 100 bytes, not 4096/);
  Deno.removeSync(path);
  assert.throws(() => mapFile(path, 4096), Deno.errors.NotFound);
});

Deno.test("mappingFault() says why without the permission for foreign functions, and nothing with it", async () => {
  assert.equal(mappingFault(), undefined);
  const script = `import { chooseStatsMode } from ${JSON.stringify(new URL("mod.ts", import.meta.url).href)};
    console.log(JSON.stringify(chooseStatsMode()));`;
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(file, script);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", "--allow-read", file],
  }).output();
  const { mode, reason } = JSON.parse(new TextDecoder().decode(stdout));
  assert.deepEqual([mode, reason], ["snapshot", "Cannot load the C library"]);
  Deno.removeSync(file);
});
