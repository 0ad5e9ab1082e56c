import assert from "node:assert/strict";
import { join } from "node:path";
import { createStatsFile } from "../stats/mod.ts";
import {
  AlreadyRunning,
  claimRuntimeFolder,
  cleanStaleFolders,
  findRuntimeFolders,
  manifestHash,
  runningPid,
  runtimeFolderPath,
} from "./runtime_folder.ts";

function withBase(test: (base: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const base = Deno.makeTempDirSync({ prefix: "weir-test-" });
    try {
      await test(base);
    } finally {
      Deno.removeSync(base, { recursive: true });
    }
  };
}

Deno.test(
  "claimRuntimeFolder() makes a folder for this user alone and removes it in the end",
  withBase((base) => {
    const path = join(base, "run");
    const folder = claimRuntimeFolder(path);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(join(path, "lock")).mode! & 0o777, 0o600);
    folder.release();
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  }),
);

Deno.test(
  "claimRuntimeFolder() throws AlreadyRunning, with the pid, while somebody holds it",
  withBase((base) => {
    const path = join(base, "run");
    const folder = claimRuntimeFolder(path);
    assert.equal(runningPid(path), Deno.pid);
    assert.throws(() => claimRuntimeFolder(path), (error: AlreadyRunning) => {
      assert.ok(error instanceof AlreadyRunning);
      assert.equal(error.pid, Deno.pid);
      assert.equal(error.message, `Cannot start: this manifest runs already as process ${Deno.pid}`);
      return true;
    });
    folder.release();
    claimRuntimeFolder(path).release();
  }),
);

Deno.test(
  "claimRuntimeFolder() tightens a folder that others could enter, and refuses a link",
  withBase((base) => {
    const path = join(base, "run");
    Deno.mkdirSync(path, { mode: 0o755 });
    const folder = claimRuntimeFolder(path);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o700);
    folder.release();
    Deno.symlinkSync(base, path);
    assert.throws(() => claimRuntimeFolder(path), /it belongs to somebody else/);
  }),
);

Deno.test(
  "cleanStaleFolders() removes what nobody holds and nothing else",
  withBase((base) => {
    const [dead, alive] = ["aaaa", "bbbb"].map((hash) => runtimeFolderPath("x", hash, [base]));
    Deno.mkdirSync(dead!, { mode: 0o700 });
    Deno.writeTextFileSync(join(dead!, "lock"), "1");
    Deno.mkdirSync(join(base, "weir-of-somebody-else"));
    const folder = claimRuntimeFolder(alive!);
    cleanStaleFolders([base]);
    assert.deepEqual(findRuntimeFolders("", [base]), [alive]);
    assert.ok(Deno.statSync(join(base, "weir-of-somebody-else")).isDirectory);
    folder.release();
  }),
);

Deno.test(
  "cleanStaleFolders() removes statistics that nobody holds and whose maker is gone",
  withBase((base) => {
    const [mine, held, dead] = ["1", "2", "3"].map((digit) =>
      join(base, `weir-${Deno.uid()}-${digit.repeat(16)}.stats`)
    ) as [string, string, string];
    for (const path of [mine, held, dead]) createStatsFile(path, { slots: 1 });
    for (const path of [held, dead]) {
      // The maker's pid stands fifth in the header; this one is no process's.
      using file = Deno.openSync(path, { write: true });
      file.seekSync(16, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(new Int32Array([0x7ffffffe]).buffer));
    }
    using lock = Deno.openSync(held, { read: true, write: true });
    lock.lockSync(true);
    cleanStaleFolders([base]);
    assert.deepEqual([...Deno.readDirSync(base)].map(({ name }) => join(base, name)).sort(), [mine, held]);
  }),
);

Deno.test(
  "runtimeFolderPath() keeps the socket's path short enough for a socket",
  withBase((base) => {
    const long = join(base, "x".repeat(90));
    assert.ok(runtimeFolderPath("s", "aaaa", [long, base]).startsWith(join(base, "weir-")));
    assert.throws(() => runtimeFolderPath("s", "aaaa", [long]), /no usable folder/);
  }),
);

Deno.test(
  "manifestHash() is that of the real path, so that a link to a manifest is the same manifest",
  withBase(async (base) => {
    const [file, link, other] = ["a.yaml", "b.yaml", "c.yaml"].map((name) => join(base, name));
    Deno.writeTextFileSync(file!, "");
    Deno.writeTextFileSync(other!, "");
    Deno.symlinkSync(file!, link!);
    assert.equal(await manifestHash(file!), await manifestHash(link!));
    assert.notEqual(await manifestHash(file!), await manifestHash(other!));
  }),
);
