import assert from "node:assert/strict";
import { startProgram } from "./program.ts";

const bare = new URL("peers/bare.ts", import.meta.url).pathname;
const command = [Deno.execPath(), "run", "-A", "--unstable-net", bare];

Deno.test({
  name: "startProgram() waits for the first answer, sees its processes and leaves none",
  ignore: Deno.build.os !== "linux",
  async fn() {
    let pids: number[];
    {
      await using program = await startProgram({
        command,
        copies: 2,
        env: { PORT: "26210" },
        url: "http://127.0.0.1:26210/",
      });
      assert.ok(program.startedMs > 0);
      const processes = program.processes();
      assert.equal(processes.length, 2);
      assert.ok(
        processes.every(({ command, rssBytes }) => command.includes("bare.ts") && rssBytes > 2 ** 20),
      );
      pids = processes.map(({ pid }) => pid);
    }
    for (const pid of pids) assert.throws(() => Deno.statSync(`/proc/${pid}`), Deno.errors.NotFound);
  },
});

Deno.test("startProgram() says what a program printed that ended before it answered", async () => {
  await assert.rejects(
    startProgram({
      command: [Deno.execPath(), "eval", "console.error('no such luck'); Deno.exit(3)"],
      url: "http://127.0.0.1:26211/",
    }),
    (error: Error) => error.message.includes("it ended with 3") && error.message.includes("no such luck"),
  );
});
