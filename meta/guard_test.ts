import assert from "node:assert/strict";
import fc from "fast-check";
import { Guard } from "./guard.ts";
import type { MetaAddress } from "./meta_address.ts";

const loopback: MetaAddress[] = [{ transport: "tcp", hostname: "127.0.0.1", port: 9901 }];
const everywhere: MetaAddress[] = [{ transport: "tcp", hostname: "0.0.0.0", port: 9901 }];

function ask(host: string, init: RequestInit & { headers?: Record<string, string> } = {}): Request {
  return new Request("http://127.0.0.1:9901/", { ...init, headers: { host, ...init.headers } });
}

Deno.test("checkOrigin() lets loopback names and the listening address in, whatever the port", () => {
  const guard = new Guard({
    listen: [...loopback, { transport: "tcp", hostname: "10.1.2.3", port: 1 }],
    token: "t",
  });
  for (
    const host of [
      "127.0.0.1:9901",
      "localhost",
      "LOCALHOST:80",
      "[::1]:9901",
      "127.3.4.5:1",
      "10.1.2.3:1",
      "localhost.",
    ]
  ) {
    assert.equal(guard.checkOrigin(ask(host)), null, host);
  }
});

Deno.test("checkOrigin() answers 421 when Host is a name that could have been rebound", () => {
  const guard = new Guard({ listen: loopback, token: "" });
  for (
    const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "10.0.0.1",
      "a@localhost",
      "localhost, evil",
      "",
      "[::1",
      "127.0.0.1:9901/x",
    ]
  ) {
    assert.equal(guard.checkOrigin(ask(host))?.status, 421, host);
  }
});

Deno.test("checkOrigin() never lets a random name in", () => {
  const guard = new Guard({ listen: loopback, token: "" });
  fc.assert(
    fc.property(fc.domain(), fc.nat(65_535), (name, port) => {
      assert.equal(guard.checkOrigin(ask(`${name}:${port}`))?.status, 421);
    }),
    { numRuns: 200 },
  );
});

Deno.test("checkOrigin() answers 421 when the target names another authority than Host", () => {
  const guard = new Guard({ listen: loopback, token: "" });
  const request = new Request("http://evil.example/", { headers: { host: "localhost" } });
  assert.equal(guard.checkOrigin(request)?.status, 421);
});

Deno.test("checkOrigin() takes any address but no foreign name when listening everywhere", () => {
  const guard = new Guard({ listen: everywhere, token: "t", hostname: "box7" });
  assert.equal(guard.checkOrigin(ask("10.9.8.7:9901")), null);
  assert.equal(guard.checkOrigin(ask("box7:9901")), null);
  assert.equal(guard.checkOrigin(ask("evil.example:9901"))?.status, 421);
});

Deno.test("checkOrigin() refuses a POST from a page of another origin", () => {
  const guard = new Guard({ listen: loopback, token: "t" });
  const post = (headers: Record<string, string>) =>
    guard.checkOrigin(ask("127.0.0.1:9901", { method: "POST", headers }));
  assert.equal(post({}), null);
  assert.equal(post({ origin: "http://127.0.0.1:9901" }), null);
  assert.equal(post({ origin: "http://127.0.0.1:8080" })?.status, 403);
  assert.equal(post({ origin: "https://evil.example" })?.status, 403);
  assert.equal(post({ origin: "null" })?.status, 403);
  assert.equal(post({ "sec-fetch-site": "cross-site" })?.status, 403);
  assert.equal(post({ "sec-fetch-site": "same-site" })?.status, 403);
  assert.equal(post({ "sec-fetch-site": "same-origin" }), null);
});

Deno.test("checkToken() asks for nothing to read on loopback, and for the token to write", async () => {
  const guard = new Guard({ listen: loopback, token: "s3cret" });
  const plain = ask("localhost");
  assert.equal(await guard.checkToken(plain, "read", null), null);
  assert.equal((await guard.checkToken(plain, "write", null))?.status, 401);
  assert.equal((await guard.checkToken(plain, "write", "wrong"))?.status, 401);
  assert.equal((await guard.checkToken(plain, "write", ""))?.status, 401);
  assert.equal(await guard.checkToken(plain, "write", "s3cret"), null);
  const bearer = ask("localhost", { headers: { authorization: "Bearer s3cret" } });
  assert.equal(await guard.checkToken(bearer, "write", null), null);
});

Deno.test("checkToken() refuses every write when no token is set", async () => {
  const guard = new Guard({ listen: loopback, token: "" });
  for (const field of [null, "", "guess"]) {
    const refusal = await guard.checkToken(ask("localhost"), "write", field);
    assert.equal(refusal?.status, 403);
    assert.match(refusal.text, /meta\.token/);
  }
});

Deno.test("checkToken() wants the token for everything when others can reach the pages", async () => {
  const guard = new Guard({ listen: everywhere, token: "s3cret" });
  assert.equal((await guard.checkToken(ask("10.0.0.1"), "probe", null))?.status, 401);
  assert.match(
    (await guard.checkToken(ask("10.0.0.1"), "read", null))!.headers!["www-authenticate"]!,
    /^Basic/,
  );
  const basic = ask("10.0.0.1", { headers: { authorization: `Basic ${btoa("anybody:s3cret")}` } });
  assert.equal(await guard.checkToken(basic, "read", null), null);
  // A browser sends Basic unasked, so it proves no intention.
  assert.equal((await guard.checkToken(basic, "write", null))?.status, 401);
  const broken = ask("10.0.0.1", { headers: { authorization: "Basic %%%" } });
  assert.equal((await guard.checkToken(broken, "read", null))?.status, 401);
});

Deno.test("Guard() refuses to open the pages to others without a token", () => {
  for (const hostname of ["0.0.0.0", "::", "10.0.0.1", "box7"]) {
    assert.throws(
      () => new Guard({ listen: [{ transport: "tcp", hostname, port: 1 }], token: "" }),
      TypeError,
    );
  }
  assert.ok(new Guard({ listen: [{ transport: "unix", path: "/run/x" }], token: "" }).local);
});
