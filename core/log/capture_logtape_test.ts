import assert from "node:assert/strict";
import { configure, getLogger, reset } from "@logtape/logtape";
import { captureLogTape } from "./capture_logtape.ts";

Deno.test("captureLogTape() takes lines of libraries and gives way when the application configures", async () => {
  const lines: unknown[] = [];
  const logging = { emit: (...values: unknown[]) => void lines.push(values) };
  const logger = getLogger(["lib", "in box"]);
  logger.info("before");
  const detach = captureLogTape(logging);
  assert.ok(detach);
  logger.info("hello {name}", { name: "bob" });
  logger.warn`number ${5}`;
  assert.deepEqual(lines, [
    ["lib.in_box", 2, "hello bob", { name: "bob" }],
    ["lib.in_box", 3, "number 5", {}],
  ]);
  detach();
  logger.info("detached");

  assert.ok(captureLogTape(logging));
  const own: unknown[] = [];
  await configure({
    sinks: { own: (entry) => own.push(entry.rawMessage) },
    loggers: [
      { category: ["lib"], sinks: ["own"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  logger.info("theirs");
  assert.deepEqual(own, ["theirs"]);
  assert.equal(lines.length, 2);
  assert.equal(captureLogTape(logging), undefined);
  await reset();
});
