import assert from "node:assert/strict";
import { ListeningAddresses } from "./listening_addresses.ts";
import { pinPorts } from "./pin_ports.ts";
import { planOf } from "./testdata/boot.ts";

const framing = { delimiter: "\n", max: "1KiB" };
const handler = "./fake_child.ts";
const plan = planOf({}, {
  listeners: {
    a: { protocol: "frames", listen: ["127.0.0.1:0", "unix:/run/a.sock", "127.0.0.1:80"], framing, handler },
    b: { protocol: "frames", listen: "[::1]:0", framing, handler, accept: { mode: "handOff" } },
  },
  meta: { listen: "127.0.0.1:0" },
});

Deno.test("ListeningAddresses puts together what workers bound and what the acceptor holds", () => {
  const addresses = new ListeningAddresses();
  addresses.bind({ a: ["127.0.0.1:4001", "", "127.0.0.1:80"], b: [""], meta: ["127.0.0.1:4003"] });
  assert.equal(addresses.accepts(plan), false);
  addresses.accept({ a: ["", "unix:/run/a.sock"], b: ["[::1]:4002"] });
  assert.equal(addresses.accepts(plan), true);
  assert.deepEqual(addresses.all(), {
    a: ["127.0.0.1:4001", "unix:/run/a.sock", "127.0.0.1:80"],
    b: ["[::1]:4002"],
    meta: ["127.0.0.1:4003"],
  });
});

Deno.test("ListeningAddresses.serve() forgets listeners that are gone, and keeps the ports of a plan without workers", () => {
  const addresses = new ListeningAddresses();
  addresses.bind({ a: ["127.0.0.1:4001"], old: ["127.0.0.1:9"] });
  addresses.accept({ b: ["[::1]:4002"], older: ["127.0.0.1:8"] });
  assert.deepEqual(addresses.serve(plan).map(({ listener, index }) => `${listener} ${index}`), [
    "a 1",
    "b 0",
  ]);
  assert.deepEqual(Object.keys(addresses.all()).sort(), ["a", "b", "old"], "workers have not moved");
  addresses.serve(plan, [{ a: ["127.0.0.1:4001"] }]);
  assert.deepEqual(Object.keys(addresses.all()).sort(), ["a", "b"]);
});

Deno.test("pinPorts() gives every port 0 the port it has become, and touches nothing else", () => {
  const pinned = pinPorts(plan, {
    a: ["127.0.0.1:4001", "unix:/x", "127.0.0.1:5"],
    meta: ["127.0.0.1:4003"],
  });
  const ports = (part: unknown) =>
    (part as { listen: Array<{ port?: number; path?: string }> }).listen.map(({ port, path }) =>
      port ?? path
    );
  assert.deepEqual(ports(pinned.listeners.a), [4001, "/run/a.sock", 80]);
  assert.deepEqual(ports(pinned.listeners.b), [0], "not known yet");
  assert.deepEqual(ports(pinned.meta), [4003]);
  assert.deepEqual(ports(plan.listeners.a), [0, "/run/a.sock", 80], "the plan itself stays as it is");
});
