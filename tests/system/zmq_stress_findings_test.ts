import assert from "node:assert/strict";
import type { AskFigures, PushFigures, StressFigures } from "./zmq_stress.ts";
import { findings } from "./zmq_stress_findings.ts";

const push: PushFigures = {
  seconds: 1,
  received: 10,
  restarts: 3,
  gaps: 0,
  again: 0,
  first: "",
  lostByKilled: 5,
  lost: 0,
  tooMany: 0,
};
const ask: AskFigures = { seconds: 1, asked: 10, restarts: 3, right: 10, wrong: 0, failures: {} };
const good: StressFigures = {
  push,
  ask: { dealer: ask, req: ask },
  slow: { ...push, outstanding: 9, room: 10, rss: [100, 100, 105] },
  wake: [{ pattern: "any", latenciesMs: [1, 50], repeated: 1 }],
  total: 30,
  exitCode: 0,
  log: "",
};

/** Names of what does not hold. */
function broken(change: Partial<StressFigures>): string[] {
  return findings({ ...good, ...change }).filter(({ holds }) => !holds).map(({ what }) => what);
}

Deno.test("findings() holds where only a killed sender's messages are missing", () => {
  assert.deepEqual(broken({}), []);
});

Deno.test("findings() tells everything that does not hold", () => {
  for (const change of [{ gaps: 1 }, { again: 1 }, { lost: 1 }, { tooMany: 1 }, { restarts: 2 }]) {
    assert.equal(broken({ push: { ...push, ...change } }).length, 1, JSON.stringify(change));
  }
  const dealer = (change: Partial<AskFigures>) =>
    broken({ ask: { dealer: { ...ask, ...change }, req: ask } });
  const names = (...ends: string[]) => ends.map((end) => `dealer upstream: ${end}`);
  assert.deepEqual(dealer({ right: 9 }), names("right answers", "neither"));
  assert.deepEqual(dealer({ right: 9, wrong: 1 }), names("right answers", "wrong answers"));
  assert.deepEqual(dealer({ right: 9, failures: { reset: 1 } }), names("right answers", "errors"));
  assert.equal(broken({ slow: { ...good.slow, outstanding: 11 } }).length, 1);
  assert.equal(broken({ slow: { ...good.slow, rss: [100, 100, 111] } }).length, 1);
  for (const late of [51, Infinity]) {
    assert.equal(broken({ wake: [{ ...good.wake[0]!, latenciesMs: [1, late] }] }).length, 1);
  }
  assert.equal(broken({ exitCode: 4 }).length, 1);
});
