import assert from "node:assert/strict";

const jobs = new URL("./testdata/jobs.ts", import.meta.url).href;

/** Runs `job` past its limit and prints how much of a core the process takes afterwards. */
const program = (job: string) => `
  import { createPool } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
  import { Scope } from ${JSON.stringify(new URL("../scope.ts", import.meta.url).href)};
  import { localStatsMemory } from ${JSON.stringify(new URL("../stats/mod.ts", import.meta.url).href)};
  import { cpuUsage } from "node:process";
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const stats = localStatsMemory(1).slot(0).writer({ role: "worker", id: 0 });
  const plan = { kind: "cpu", threads: 1, queue: 1, heap: 2 ** 26, timeout: 300 };
  const pool = createPool("p", plan, { directory: "/", log, stats, scope: new Scope("s") });
  const why = await pool.run(${JSON.stringify(jobs)}, ${
  JSON.stringify(job)
}, []).catch(({ reason }) => reason);
  const sum = await pool.run(${JSON.stringify(jobs)}, "add", [1, 2], { deadline: Date.now() + 5000 });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = cpuUsage(before);
  console.log(JSON.stringify({ why, sum, share: (user + system) / 1e6 }));
  Deno.exit();`;

for (const job of ["spinForEver", "spinInMicrotasks"]) {
  Deno.test(`nothing of a thread that does not let go is left: ${job}`, async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--inspect=127.0.0.1:0",
        "--inspect-publish-uid=stderr",
        `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
        `data:application/typescript,${encodeURIComponent(program(job))}`,
      ],
      signal: AbortSignal.timeout(20_000),
    });
    const { stdout, stderr } = await child.output();
    const line = new TextDecoder().decode(stdout);
    assert.match(line, /^\{/, new TextDecoder().decode(stderr));
    const { why, sum, share } = JSON.parse(line);
    assert.deepEqual({ why, sum }, { why: "pool_timeout", sum: 3 });
    // A thread that still runs takes all of a core, or what others leave of it.
    assert.ok(share < 0.2, `it still takes ${share} of a core`);
  });
}
