import assert from "node:assert/strict";
import fc from "fast-check";
import { formatQuantity, parseQuantity, proposeQuantity, type Unit } from "./unit.ts";

Deno.test("parseQuantity() gives milliseconds, bytes, per second and fractions", () => {
  const cases: [Unit, string, number][] = [
    ["duration", "250us", 0.25],
    ["duration", "50ms", 50],
    ["duration", "1m30s", 90_000],
    ["duration", "24h", 86_400_000],
    ["duration", "1.5s", 1500],
    ["duration", "1d2h3m4s5ms6us", 93_784_005.006],
    ["duration", "0", 0],
    ["size", "16KiB", 16_384],
    ["size", "10MB", 10_000_000],
    ["size", "1.5GiB", 1_610_612_736],
    ["size", "7B", 7],
    ["rate", "100/s", 100],
    ["rate", "600/m", 10],
    ["rate", "36/h", 0.01],
    ["share", "20%", 0.2],
    ["share", "0.1%", 0.001],
    ["share", "100%", 1],
  ];
  for (const [unit, text, value] of cases) assert.equal(parseQuantity(unit, text), value, text);
});

Deno.test("parseQuantity() refuses what is no quantity", () => {
  const cases: [Unit, string[]][] = [
    ["duration", ["", "5", "5 s", "-5s", "5S", "s", "30s1m", "5s5s", "1e3s", ".5s", "5.s"]],
    ["size", ["", "5", "5K", "5mb", "5 MB", "MiB", "-1B"]],
    ["rate", ["", "5", "/s", "5/w", "5 /s"]],
    ["share", ["", "5", "101%", "%", "-1%", "100.1%"]],
  ];
  for (const [unit, texts] of cases) {
    for (const text of texts) assert.throws(() => parseQuantity(unit, text), SyntaxError, `${unit} ${text}`);
  }
});

Deno.test("formatQuantity() writes what parseQuantity() reads back", () => {
  const back = (unit: Unit, value: number) => parseQuantity(unit, formatQuantity(unit, value));
  fc.assert(fc.property(fc.nat(2 ** 31 - 1), (ms) => assert.equal(back("duration", ms), ms)));
  fc.assert(fc.property(fc.nat(10_000_000), (us) => assert.equal(back("duration", us / 1000), us / 1000)));
  fc.assert(fc.property(fc.maxSafeNat(), (bytes) => assert.equal(back("size", bytes), bytes)));
  fc.assert(
    fc.property(fc.nat(10_000), (share) => assert.equal(back("share", share / 10_000), share / 10_000)),
  );
  fc.assert(fc.property(fc.nat(1_000_000), (rate) => assert.equal(back("rate", rate), rate)));
});

Deno.test("formatQuantity() prefers the unit that people use", () => {
  const cases: [Unit, number, string][] = [
    ["duration", 75_000, "1m15s"],
    ["duration", 0.25, "250us"],
    ["duration", 86_400_000, "1d"],
    ["size", 8 * 2 ** 20, "8MiB"],
    ["size", 10_000_000, "10MB"],
    ["size", 1001, "1001B"],
    ["rate", 10 / 60, "10/m"],
    ["share", 0.2, "20%"],
  ];
  for (const [unit, value, text] of cases) assert.equal(formatQuantity(unit, value), text);
});

Deno.test("proposeQuantity() proposes only what can be read, and two for a bare number", () => {
  const units: Unit[] = ["duration", "size", "rate", "share"];
  fc.assert(fc.property(fc.constantFrom(...units), fc.string(), (unit, text) => {
    for (const proposal of proposeQuantity(unit, text)) parseQuantity(unit, proposal);
  }));
  fc.assert(fc.property(fc.constantFrom(...units), fc.integer({ min: 1, max: 100 }), (unit, value) => {
    const proposals = proposeQuantity(unit, value);
    assert.equal(new Set(proposals).size, 2);
    for (const proposal of proposals) parseQuantity(unit, proposal);
  }));
});
