import assert from "node:assert/strict";
import fc from "fast-check";
import { Job } from "./job.ts";
import { ThreadJobs } from "./thread_jobs.ts";

const job = () => new Job(() => {}, () => {});

Deno.test("ThreadJobs finds what is in it by number, oldest first, whatever was added and deleted", () => {
  fc.assert(fc.property(fc.array(fc.option(fc.nat(20))), (steps) => {
    const jobs = new ThreadJobs();
    let model: Job[] = [];
    const gone: number[] = [];
    for (const step of steps) {
      if (step === null || model.length === 0) {
        const added = job();
        assert.ok(jobs.add(added));
        model.push(added);
      } else {
        const deleted = model[step % model.length]!;
        assert.ok(jobs.delete(deleted));
        assert.ok(!jobs.delete(deleted));
        model = model.filter((one) => one !== deleted);
        gone.push(deleted.id);
      }
    }
    assert.deepEqual(jobs.inOrder(), model);
    for (const one of model) assert.equal(jobs.get(one.id), one);
    for (const id of gone) assert.equal(jobs.get(id), undefined);
  }));
});

Deno.test("ThreadJobs does not give a number again soon, and takes no more than 16,384", () => {
  const jobs = new ThreadJobs();
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i++) {
    const one = job();
    jobs.add(one);
    assert.ok(one.id >= 0 && !seen.has(one.id));
    seen.add(one.id);
    jobs.delete(one);
  }
  for (let i = 0; i < 16_384; i++) assert.ok(jobs.add(job()));
  assert.ok(!jobs.add(job()));
});
