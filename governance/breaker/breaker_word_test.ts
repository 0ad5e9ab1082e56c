import assert from "node:assert/strict";
import fc from "fast-check";
import * as words from "./breaker_word.ts";

const { Force, Mode } = words;
const openMs = fc.integer({ min: 1, max: 3_600_000 });
const epochs = fc.integer({ min: 1_700_000_000_000, max: 2_100_000_000_000 });
const forces = fc.constantFrom(Force.auto, Force.open, Force.closed);

Deno.test("BreakerTimes.leftMs() is what was set, at any time of day, never early", () => {
  const longest = 1 + words.jitterShare;
  fc.assert(
    fc.property(
      openMs,
      epochs,
      fc.double({ min: 0, max: longest, noNaN: true }),
      fc.nat(1000),
      (open, epoch, n, late) => {
        const times = new words.BreakerTimes(open, 3250);
        const unitMs = Math.max(1, Math.floor(open / 256));
        const untilMs = epoch + open * n;
        const word = times.open(untilMs, Force.auto) | 0;
        const atMs = epoch + late * unitMs / 10;
        const leftMs = times.leftMs(word, atMs);
        const expected = Math.max(0, untilMs - atMs);
        assert.ok(
          leftMs >= expected - 1e-3 && leftMs <= expected + unitMs + 1e-3,
          `${leftMs}, not ${expected}`,
        );
        assert.equal(words.modeOf(word), Mode.open);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("BreakerTimes.rampMs() is the time since, and 0 when the clock was set back a little", () => {
  fc.assert(fc.property(openMs, epochs, fc.integer({ min: -11, max: 3000 }), (open, epoch, units) => {
    const times = new words.BreakerTimes(open, 3250);
    const unitMs = Math.max(1, Math.floor(open / 256));
    const passed = times.rampMs(times.ramp(epoch, Force.auto) | 0, epoch + units * unitMs);
    assert.equal(passed, Math.max(0, units) * unitMs);
  }));
});

Deno.test("BreakerTimes.probesLost() is true after the life of a probe, not before", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 600_000 }), epochs, fc.nat(200), (lifeMs, epoch, percent) => {
      const times = new words.BreakerTimes(5000, lifeMs);
      const word = times.halfOpen(epoch, Force.auto, 1) | 0;
      const lost = times.probesLost(word, epoch + lifeMs * percent / 100);
      if (percent <= 100) assert.equal(lost, false);
      if (percent >= 113) assert.equal(lost, true);
    }),
  );
});

Deno.test("the parts of a word do not touch one another", () => {
  fc.assert(
    fc.property(
      epochs,
      forces,
      fc.nat(words.mostProbes - 1),
      fc.nat(words.mostProbes),
      (at, force, given, good) => {
        let word = new words.BreakerTimes(5000, 3250).halfOpen(at, force, 1) | 0;
        for (let n = 0; n < given; n++) word = words.withGiven(word, 1);
        for (let n = 0; n < good; n++) word = words.withGood(word);
        const parts = (one: number) => [
          words.modeOf(one),
          words.givenOf(one),
          words.goodOf(one),
          one >>> 25,
        ];
        assert.deepEqual(parts(word).slice(0, 3), [Mode.halfOpen, given + 1, good]);
        assert.equal(words.forceOf(word), force);
        const forced = words.withForce(word, Force.closed);
        assert.deepEqual(parts(forced), parts(word));
        assert.equal(words.forceOf(forced), Force.closed);
        assert.equal(words.givenOf(words.withGiven(word, -1)), given);
      },
    ),
  );
});
