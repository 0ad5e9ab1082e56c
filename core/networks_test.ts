import assert from "node:assert/strict";
import { Networks, plainAddress } from "./networks.ts";

Deno.test("Networks has() what the networks say, and nobody without networks", () => {
  const proxies = new Networks(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1"]);
  const wanted = {
    "10.1.2.3": true,
    "11.1.2.3": false,
    "192.0.2.1": true,
    "192.0.2.2": false,
    "fd12::3": true,
    "fe80::3": false,
    "::1": true,
    "": false,
    "unknown": false,
  };
  for (const [address, is] of Object.entries(wanted)) {
    assert.equal(proxies.has(address), is, address);
    assert.equal(proxies.has(address), is, `${address} again`);
    assert.equal(new Networks([]).has(address), false, `${address} of none`);
  }
});

Deno.test("plainAddress() takes off zones and IPv6 clothes", () => {
  assert.equal(plainAddress("::ffff:10.0.0.1"), "10.0.0.1");
  assert.equal(plainAddress("::FFFF:10.0.0.1"), "10.0.0.1");
  assert.equal(plainAddress("fe80::1%eth0"), "fe80::1");
  assert.equal(plainAddress("10.0.0.1"), "10.0.0.1");
  assert.equal(plainAddress(""), "");
});
