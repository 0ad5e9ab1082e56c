import assert from "node:assert/strict";
import { grantedCores } from "./granted_cores.ts";

function files(content: Record<string, string>): (path: string) => string {
  return (path) => {
    if (path in content) return content[path];
    throw new Deno.errors.NotFound(path);
  };
}

const max = (text: string) => files({ "/sys/fs/cgroup/cpu.max": text });

Deno.test("grantedCores() rounds a quota up and never exceeds the machine", () => {
  assert.equal(grantedCores(max("150000 100000\n"), 8), 2);
  assert.equal(grantedCores(max("50000 100000\n"), 8), 1);
  assert.equal(grantedCores(max("400000 100000\n"), 2), 2);
});

Deno.test("grantedCores() takes what the system shows when there is no quota", () => {
  assert.equal(grantedCores(max("max 100000\n"), 6), 6);
  assert.equal(grantedCores(max("nonsense"), 6), 6);
  assert.equal(grantedCores(files({}), 3), 3);
});

Deno.test("grantedCores() reads the older control groups", () => {
  const folder = "/sys/fs/cgroup/cpu/cpu.cfs_";
  const read = (quota: string) => files({ [`${folder}quota_us`]: quota, [`${folder}period_us`]: "100000\n" });
  assert.equal(grantedCores(read("250000\n"), 8), 3);
  assert.equal(grantedCores(read("-1\n"), 8), 8);
});
