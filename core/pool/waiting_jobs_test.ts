import assert from "node:assert/strict";
import { Job } from "./job.ts";
import { WaitingJobs } from "./waiting_jobs.ts";

function job(id: number, over = false): Job {
  const made = new Job(() => {}, () => {});
  made.id = id;
  made.over = over;
  return made;
}

Deno.test("WaitingJobs is first in, first out, and skips jobs that are over", () => {
  const waiting = new WaitingJobs();
  for (let i = 0; i < 3000; i++) waiting.push(job(i, i % 3 === 0));
  waiting.putBack([job(-2), job(-1, true)]);
  const ids: number[] = [];
  for (let next = waiting.peek(); next !== undefined; next = waiting.peek()) {
    ids.push(next.id);
    waiting.take();
  }
  assert.deepEqual(ids, [-2, ...Array.from({ length: 3000 }, (_, i) => i).filter((i) => i % 3 !== 0)]);
});

Deno.test("WaitingJobs stays short when callers come and leave while nobody takes", () => {
  const waiting = new WaitingJobs();
  waiting.push(job(0));
  for (let i = 1; i < 20_000; i++) waiting.push(job(i, true));
  assert.ok(waiting.length <= 2048);
  assert.equal(waiting.peek()?.id, 0);
});
