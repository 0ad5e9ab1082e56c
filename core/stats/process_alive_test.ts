import assert from "node:assert/strict";
import { isProcessAlive, processStart } from "./process_alive.ts";

Deno.test("isProcessAlive() knows this process, and not one with its pid that started at another time", () => {
  const start = processStart(Deno.pid);
  assert.ok(start >= 0);
  assert.equal(isProcessAlive(Deno.pid, start), true);
  assert.equal(isProcessAlive(Deno.pid, 0), true);
  if (start > 0) assert.equal(isProcessAlive(Deno.pid, start + 1), false);
});

Deno.test("isProcessAlive() is false when the process ended, also before anybody read its exit status", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "await new Promise(() => setInterval(() => {}, 1e6))"],
  })
    .spawn();
  const start = processStart(child.pid);
  assert.equal(isProcessAlive(child.pid, start), true);
  child.kill("SIGKILL");
  await child.status;
  assert.equal(isProcessAlive(child.pid, start), false);
});

Deno.test("processStart() is -1 for numbers that are no process", () => {
  assert.equal(processStart(0), -1);
  assert.equal(processStart(-5), -1);
  assert.equal(processStart(2 ** 22 + 12345), -1);
});
