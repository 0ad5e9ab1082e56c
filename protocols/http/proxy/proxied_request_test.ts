import assert from "node:assert/strict";
import { Refusal } from "../../../core/errors.ts";
import { ProxiedRequest, type RequestRules } from "./proxied_request.ts";
import { PrefixCut } from "./proxy_target.ts";
import { contextOf, valuesOf } from "./testdata/scripted_caller.ts";
import { Networks } from "../../../core/networks.ts";

const rules: RequestRules = {
  trusted: new Networks(["10.0.0.0/8"]),
  scheme: "http",
  prefix: undefined,
};

type Fields = Array<[string, string]>;

/** A request with URL and fields as they came: the constructor would put them in order. */
function ask(fields: Fields, { url = "http://a.example/p?q", method = "GET" } = {}): Request {
  return { url, method, headers: fields } as unknown as Request;
}

function proxied(fields: Fields, options = {}, address = "192.0.2.7", with_ = rules): ProxiedRequest {
  const made = ProxiedRequest.of(ask(fields, options), contextOf(address), with_);
  assert.ok(made instanceof ProxiedRequest, `refused with ${(made as Refusal).reason}`);
  return made;
}

function refusalOf(fields: Fields, options = {}, with_ = rules): string {
  const made = ProxiedRequest.of(ask(fields, options), contextOf(), with_);
  assert.ok(made instanceof Refusal, "it went on");
  return made.reason;
}

/** End-to-end fields without those that the proxy adds. */
function passed(made: ProxiedRequest): string[] {
  const own = /^(?:x-forwarded-.*|forwarded|x-request-id|x-rpc-id)$/;
  return made.headers.filter((_, i) => !own.test(made.headers[i - i % 2]!));
}

Deno.test("ProxiedRequest passes end-to-end fields on in order, names in lower case, as often as they came", () => {
  const made = proxied([["Host", "a.example"], ["Accept", "*/*"], ["X-A", "1"], ["x-a", "2"], [
    "Cookie",
    "a=b",
  ]]);
  assert.equal(made.method, "GET");
  assert.equal(made.target, "/p?q");
  assert.equal(made.host, "a.example");
  assert.deepEqual(passed(made), ["accept", "*/*", "x-a", "1", "x-a", "2", "cookie", "a=b"]);
  assert.equal(made.body, null);
  assert.equal(made.bodyBytes, 0);
});

Deno.test("ProxiedRequest drops what ends at this hop, and what Connection names", () => {
  const made = proxied([
    ["Connection", "keep-alive, X-Gone"],
    ["connection", "x-Also, host, content-length"],
    ["X-Gone", "1"],
    ["x-also", "1"],
    ["Keep-Alive", "timeout=5"],
    ["Proxy-Connection", "keep-alive"],
    ["Proxy-Authorization", "secret"],
    ["TE", "gzip"],
    ["Trailer", "x-t"],
    ["Upgrade", "h2c"],
    ["HTTP2-Settings", "AAA"],
    ["X-Stays", "1"],
  ]);
  assert.deepEqual(passed(made), ["x-stays", "1"]);
  assert.equal(made.host, "a.example");
  assert.equal(made.upgrade, undefined);
});

Deno.test("ProxiedRequest keeps of TE what is `trailers`, also where Connection names it", () => {
  const made = proxied([["te", "gzip;q=1, Trailers"], ["connection", "te"]]);
  assert.deepEqual(passed(made), ["te", "trailers"]);
});

Deno.test("ProxiedRequest drops names that gateways take for fields of its own", () => {
  const made = proxied([
    ["X_Forwarded_For", "1.2.3.4"],
    ["content_length", "5"],
    ["Transfer_Encoding", "chunked"],
    ["my_own", "1"],
  ]);
  assert.deepEqual(passed(made), ["my_own", "1"]);
});

const spoofed: Fields = [
  ["X-Forwarded-For", "1.1.1.1"],
  ["x-forwarded-for", "2.2.2.2"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Host", "b.example"],
  ["Forwarded", "for=1.1.1.1"],
  ["X-Request-Id", "theirs"],
  ["X-Rpc-Id", "theirs"],
];

for (const connection of [undefined, "x-forwarded-for, forwarded, x-request-id, x-forwarded-proto"]) {
  Deno.test(`ProxiedRequest replaces forwarded fields of an unknown peer, Connection: ${connection}`, () => {
    const made = proxied([...spoofed, ...(connection ? [["connection", connection]] as Fields : [])]);
    assert.deepEqual(made.headers, [
      ...["x-forwarded-for", "192.0.2.7", "x-forwarded-proto", "http", "x-forwarded-host", "a.example"],
      ...["forwarded", "for=192.0.2.7;host=a.example;proto=http", "x-request-id", "id-1", "x-rpc-id", "1.1"],
    ]);
  });
}

Deno.test("ProxiedRequest appends to forwarded fields of a trusted peer, and makes those that it did not send", () => {
  for (const address of ["10.1.2.3", "::ffff:10.1.2.3"]) {
    assert.deepEqual(proxied(spoofed, {}, address).headers, [
      ...["x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.1.2.3", "x-forwarded-proto", "https"],
      ...["x-forwarded-host", "b.example"],
      ...[
        "forwarded",
        "for=1.1.1.1, for=10.1.2.3;host=a.example;proto=http",
        "x-request-id",
        "id-1",
        "x-rpc-id",
        "1.1",
      ],
    ]);
    assert.deepEqual(proxied([], {}, address).headers.slice(0, 6), [
      ...["x-forwarded-for", "10.1.2.3", "x-forwarded-proto", "http", "x-forwarded-host", "a.example"],
    ]);
  }
});

for (
  const [address, url, scheme, forwardedFor, forwarded] of [
    ["2001:db8::1", "http://h/", "http", ["2001:db8::1"], 'for="[2001:db8::1]";host=h;proto=http'],
    ["fe80::1%eth0", "http://h/", "http", ["fe80::1"], 'for="[fe80::1]";host=h;proto=http'],
    ["", "http://h/", "http", [], "for=unknown;host=h;proto=http"],
    ["192.0.2.1", "http://h:80/", "https", ["192.0.2.1"], 'for=192.0.2.1;host="h:80";proto=https'],
    // The scheme of an absolute target is the client's word.
    ["192.0.2.1", "https://h/", "http", ["192.0.2.1"], "for=192.0.2.1;host=h;proto=http"],
  ] as const
) {
  Deno.test(`ProxiedRequest tells of ${address || "a unix peer"} at ${url} over ${scheme}`, () => {
    const made = proxied(spoofed, { url }, address, { ...rules, scheme });
    assert.deepEqual(valuesOf(made.headers, "x-forwarded-for"), forwardedFor);
    assert.deepEqual(valuesOf(made.headers, "forwarded"), [forwarded]);
    assert.deepEqual(valuesOf(made.headers, "x-forwarded-proto"), [scheme]);
  });
}

Deno.test("ProxiedRequest asks the host of an absolute target, whatever Host says", () => {
  const made = proxied([["Host", "a.example"]], { url: "http://b.example:8080/x" });
  assert.equal(made.host, "b.example:8080");
  assert.deepEqual(valuesOf(made.headers, "x-forwarded-host"), ["b.example:8080"]);
});

for (const url of ["http://a b/", "http://a@b/", 'http://a"b/', "http://é/", "ftp://a/", "http://a/..%2fb"]) {
  Deno.test(`ProxiedRequest refuses ${url}`, () => assert.equal(refusalOf([], { url }), "bad_request"));
}

for (
  const [method, fields, bytes] of [
    ["POST", [], 0],
    ["POST", [["content-length", "0"]], 0],
    ["POST", [["Content-Length", "7"]], 7],
    ["POST", [["Transfer-Encoding", "chunked"]], -1],
    ["DELETE", [["content-length", "7"]], 7],
    ["GET", [["content-length", "0"]], 0],
  ] as Array<[string, Fields, number]>
) {
  Deno.test(`ProxiedRequest of ${method} with ${fields.join(" ") || "nothing"} has a body of ${bytes}`, () => {
    const made = proxied(fields, { method });
    assert.equal(made.bodyBytes, bytes);
    assert.deepEqual(passed(made), []);
  });
}

for (const fields of [[["content-length", "7"]], [["transfer-encoding", "chunked"]]] as Fields[]) {
  Deno.test(`ProxiedRequest refuses GET and HEAD with ${fields}: their bodies cannot be had`, () => {
    assert.equal(refusalOf(fields), "bad_request");
    assert.equal(refusalOf(fields, { method: "HEAD" }), "bad_request");
  });
}

Deno.test("ProxiedRequest asks to upgrade to websocket and to nothing else", () => {
  const upgradeOf = (connection: string, upgrade: string, method = "GET") => {
    const made = proxied([["Connection", connection], ["Upgrade", upgrade], ["sec-websocket-key", "k"]], {
      method,
    });
    assert.deepEqual(passed(made), ["sec-websocket-key", "k"]);
    return made.upgrade;
  };
  assert.equal(upgradeOf("Upgrade", "WebSocket"), "websocket");
  assert.equal(upgradeOf("keep-alive, upgrade", "websocket"), "websocket");
  assert.equal(upgradeOf("keep-alive", "websocket"), undefined);
  assert.equal(upgradeOf("upgrade", "h2c"), undefined);
  assert.equal(upgradeOf("upgrade", "websocket, h2c"), undefined);
  assert.equal(upgradeOf("upgrade", "websocket", "POST"), undefined);
});

Deno.test("ProxiedRequest cuts the prefix, and has no route where there is none", () => {
  const with_ = { ...rules, prefix: new PrefixCut("/users") };
  assert.equal(proxied([], { url: "http://h/users/1?a" }, "", with_).target, "/1?a");
  assert.equal(refusalOf([], { url: "http://h/other" }, with_), "no_route");
});

Deno.test("ProxiedRequest hands on that the client waits for leave to send its body", () => {
  assert.equal(
    proxied([["Expect", "100-Continue"], ["content-length", "9"]], { method: "PUT" }).expectContinue,
    true,
  );
  assert.equal(
    proxied([["Expect", "something"], ["content-length", "9"]], { method: "PUT" }).expectContinue,
    false,
  );
});
