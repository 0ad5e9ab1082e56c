import assert from "node:assert/strict";
import { compileLoggerGlob } from "./logger_glob.ts";

Deno.test("compileLoggerGlob() matches parts with * and any number of parts with **", () => {
  const cases: Array<[string, string, boolean]> = [
    ["**", "worker", true],
    ["**", "a.b.c", true],
    ["access.*", "access.api", true],
    ["access.*", "access", false],
    ["access.*", "access.api.x", false],
    ["access.**", "access", true],
    ["listeners.**.cache", "listeners.api.db.cache", true],
    ["listeners.**.cache", "listeners.cache", true],
    ["listeners.**.cache", "listeners.api.cache.x", false],
    ["listeners.a*i", "listeners.api", true],
    ["listeners.a*i", "listeners.apis", false],
    ["worker", "worker", true],
    ["worker", "workers", false],
    ["*", "a.b", false],
    ["**.x.**", "x", true],
  ];
  for (const [glob, logger, expected] of cases) {
    assert.equal(compileLoggerGlob(glob)(logger), expected, `${glob} on ${logger}`);
  }
});
