import assert from "node:assert/strict";
import { Redaction } from "./redaction.ts";

Deno.test("Redaction.hides() follows names at any depth and paths from their end, in any case", () => {
  const redaction = new Redaction(["authorization", "*.password", "user.card", "a.*.key"]);
  const cases: Array<[string, boolean]> = [
    ["authorization", true],
    ["request.headers.Authorization", true],
    ["authorizations", false],
    ["password", true],
    ["x.y.PASSWORD", true],
    ["user.card", true],
    ["x.user.card", true],
    ["card", false],
    ["a.b.key", true],
    ["a.key", false],
    ["z.a.b.key", true],
    ["a.b.c.key", false],
    ["", false],
  ];
  for (const [path, expected] of cases) {
    assert.equal(redaction.hides(path === "" ? [] : path.split(".")), expected, path);
  }
});

Deno.test("Redaction.query() hides the values of secret parameters and nothing else", () => {
  const redaction = new Redaction(["session", "*.pin"]);
  const cases: Array<[string, string]> = [
    ["GET /a", "GET /a"],
    ["GET /a?user=1&x=2", "GET /a?user=1&x=2"],
    ["GET /a?token=abc", "GET /a?token=[redacted]"],
    ["GET /a?x=1&Password=p%20w&y=2", "GET /a?x=1&Password=[redacted]&y=2"],
    ["GET /a?access_token=t&client-secret=s", "GET /a?access_token=[redacted]&client-secret=[redacted]"],
    ["GET /a?%74oken=abc", "GET /a?%74oken=[redacted]"],
    ["GET /a?%ff=1&token=%ff", "GET /a?%ff=1&token=[redacted]"],
    ["GET /a?session=s&pin=4;pin=5", "GET /a?session=[redacted]&pin=[redacted];pin=[redacted]"],
    ["GET /a?user[password]=p", "GET /a?user[password]=[redacted]"],
    ["GET /token=x", "GET /token=x"],
    ["GET /a?tokens=5&pinned=1", "GET /a?tokens=5&pinned=1"],
    ["GET /a?token=a=b HTTP", "GET /a?token=[redacted] HTTP"],
    ["GET /a?b=?token=x", "GET /a?b=?token=x"],
  ];
  for (const [line, expected] of cases) assert.equal(redaction.query(line), expected);
});
