import assert from "node:assert/strict";
import { thriftDrain } from "./thrift_drain.ts";

Deno.test("reloads and SIGTERM fail no call of thrift clients that keep their connections", async () => {
  const clients = 100;
  const figures = await thriftDrain(clients, 7000);
  const { answered, connections, failures, stale, closedBetween, carriedOut, exitCode, large } = figures;
  console.log(
    `${answered} calls answered on ${connections} connections, ${failures.length} failed, ` +
      `${stale} repeated, ${closedBetween} connections closed between calls`,
  );
  assert.deepEqual(failures, []);
  assert.ok(answered >= 20_000, `${answered} answered`);
  // None was carried out twice or for nobody: what was repeated had not reached a handler.
  assert.equal(carriedOut, answered);
  // Every connection was closed by the two reloads and the end, each time once.
  assert.ok(connections >= 3 * clients, `${connections} connections`);
  assert.ok(stale <= 3 * clients, `${stale} repeated`);
  assert.ok(closedBetween > 0);
  // Who reads a reply slowly gets all of it.
  for (const { got, of } of large) assert.equal(got, of);
  assert.equal(large.length, 2);
  assert.equal(exitCode, 0);
});
