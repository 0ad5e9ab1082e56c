import assert from "node:assert/strict";
import { ProcessSampler } from "./process_sampler.ts";

Deno.test("ProcessSampler shows figures of this process, and none of one that is not there", () => {
  const sampler = new ProcessSampler();
  sampler.tick([Deno.pid, 2 ** 22 + 1], 0);
  sampler.tick([Deno.pid, 2 ** 22 + 1], 1_000_000);
  const own = sampler.get(Deno.pid)!;
  assert.ok(own.rssBytes > 10_000_000 && own.cpuSeconds > 0 && own.threads > 0, JSON.stringify(own));
  assert.ok(own.cpuShare !== null && own.cpuShare < 0.5);
  assert.equal(sampler.get(2 ** 22 + 1), undefined);
});

Deno.test("ProcessSampler reads a program's name with spaces and parentheses", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/5`);
  const fields = Array.from({ length: 50 }, (_, i) => String(i));
  await Deno.writeTextFile(`${root}/5/stat`, `5 (a) b (c) ${fields.join(" ")}`);
  const sampler = new ProcessSampler(root);
  sampler.tick([5], 0);
  assert.equal(sampler.get(5)!.cpuSeconds, (11 + 12) / 100);
  assert.equal(sampler.get(5)!.rssBytes, 21 * 4096);
  await Deno.remove(root, { recursive: true });
});
