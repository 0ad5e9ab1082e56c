import assert from "node:assert/strict";
import fc from "fast-check";
import { pathOf } from "../routes.ts";
import { authorityOf, PrefixCut, targetOf } from "./proxy_target.ts";

for (
  const [url, target] of [
    ["http://h", "/"],
    ["http://h/", "/"],
    ["http://h/a/b?c=%20&d=/e?", "/a/b?c=%20&d=/e?"],
    ["http://h/a?", "/a?"],
    ["http://h/a%20b", "/a%20b"],
    ["http://h/%61", "/%61"],
    ["http://h/a%2Fb", "/a%2Fb"],
    ["http://h//a//b", "//a//b"],
    ["http://h/a..b/c.", "/a..b/c."],
    ["http://h/.well-known/x", "/.well-known/x"],
    ["http://h/a;b=c/d", "/a;b=c/d"],
    ["http://h/a/../b", "/b"],
    ["http://h/../../b", "/b"],
    ["http://h/a/./b", "/a/b"],
    ["http://h/a/%2e%2E/b", "/b"],
    ["http://h/a/.%2e/b", "/b"],
    ["http://h/a\\..\\b", "/b"],
    ["http://h/a#/../b", "/a"],
    ["http://h/a?b#c", "/a?b"],
    ["http://h/a#b?c", "/a"],
    ["http://h/к?к", "/%D0%BA?%D0%BA"],
    ['http://h/"<>`{}', "/%22%3C%3E%60%7B%7D"],
    ["http://h/a/..%2fb", undefined],
    ["http://h/a/..%2Fb", undefined],
    ["http://h/a/..%5cb", undefined],
    ["http://h/a%2f..%2fb", undefined],
    ["http://h/a%2f%2e%2e/b", undefined],
    ["http://h/a/%252e%252e/b", undefined],
    ["http://h/a/%25252e%25252e%25252fb", undefined],
    ["http://h/a/..;/b", undefined],
    ["http://h/a/..;x=y/b", undefined],
    ["http://h/a/.;/b", undefined],
    ["http://h/a/..%3b/b", undefined],
    ["http://h/%2525252525252525", undefined],
  ] as const
) {
  Deno.test(`targetOf() of ${url} is ${target ?? "refused"}`, () => assert.equal(targetOf(url), target));
}

Deno.test("targetOf() has no dot segment however often it is unescaped, and no byte that ends a line", () => {
  const part = fc.constantFrom(
    "a",
    "/",
    ".",
    "..",
    "%",
    "25",
    "2e",
    "2E",
    "2f",
    "5c",
    "\\",
    ";",
    "?",
    "#",
    "é",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 24 }), (parts) => {
      let target = targetOf(`http://h/${parts.join("")}`);
      if (target === undefined) return;
      assert.match(target, /^\/[\x21-\x7e]*$/);
      let path = target.split("?")[0]!;
      for (let i = 0; i < 6; i++) {
        assert.doesNotMatch(path, /(?:^|[/\\])\.\.?(?:;[^/\\]*)?(?:[/\\]|$)/, target);
        path = path.replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      }
      target = path;
    }),
    { numRuns: 2000 },
  );
});

Deno.test("targetOf() means the path that routes match", () => {
  const part = fc.constantFrom("a", "b", "/", ".", "..", "%61", "%2e", "%2F", "\\", "?", "#", ";");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 16 }), (parts) => {
      const url = `http://h/${parts.join("")}`;
      const target = targetOf(url);
      if (target === undefined) return;
      assert.equal(decodeURI(target.split("?")[0]!), decodeURI(pathOf(url)));
    }),
    { numRuns: 2000 },
  );
});

for (
  const [prefix, target, wanted] of [
    ["/users", "/users/1?a", "/1?a"],
    ["/users", "/users", "/"],
    ["/users", "/users?a=b", "/?a=b"],
    ["/users/", "/users/1", "/1"],
    ["/users", "/users//1", "//1"],
    ["/users", "/%75sers/%31", "/%31"],
    ["/users", "/usersfoo", undefined],
    ["/users", "/users%2F1", undefined],
    ["/users", "/user", undefined],
    ["/users", "/%7", undefined],
    ["/ключ", "/%D0%BA%D0%BB%D1%8E%D1%87/a", "/a"],
    ["/", "/a", "/a"],
  ] as const
) {
  Deno.test(`PrefixCut of ${prefix} makes ${target} ${wanted ?? "nothing"}`, () => {
    assert.equal(new PrefixCut(prefix).cut(target), wanted);
  });
}

Deno.test("authorityOf() is what stands between scheme and path", () => {
  assert.equal(authorityOf("http://a.b:80/c"), "a.b:80");
  assert.equal(authorityOf("http://[::1]:80"), "[::1]:80");
});
