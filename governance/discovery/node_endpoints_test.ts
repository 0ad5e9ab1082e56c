import assert from "node:assert/strict";
import fc from "fast-check";
import { endpointAddress } from "./endpoint_address.ts";
import { endpointOfNode, NodeEndpoints } from "./node_endpoints.ts";

const plain = { weight: 1, role: null, priority: 0 };

Deno.test("endpointOfNode() reads JSON, an address, or the key where the value is empty", () => {
  const cases: [key: string, value: string, wanted: object][] = [
    ["/users/a", '{"address":"10.0.0.1:80"}', { ...plain, address: "10.0.0.1:80" }],
    [
      "/users/a",
      ' {"address":"db.test:80","weight":0.5,"role":"replica","priority":3,"name":"other","meta":{}} ',
      { address: "db.test:80", weight: 0.5, role: "replica", priority: 3 },
    ],
    ["/users/a", '{"address":"[::1]:80","role":null}', { ...plain, address: "[::1]:80" }],
    ["/users/a", "10.0.0.1:80\n", { ...plain, address: "10.0.0.1:80" }],
    ["/users/a", "unix:/run/users.sock", { ...plain, address: "unix:/run/users.sock" }],
    ["/users/10.0.0.1:80", "", { ...plain, address: "10.0.0.1:80" }],
    ["/users/[fd00::7]:80", "  ", { ...plain, address: "[fd00::7]:80" }],
    ["10.0.0.1:80", "", { ...plain, address: "10.0.0.1:80" }],
  ];
  for (const [key, value, wanted] of cases) assert.deepEqual(endpointOfNode(key, value), wanted, value);
});

Deno.test("endpointOfNode() says what is wrong with a value", () => {
  const cases: [value: string, wanted: RegExp][] = [
    ["", /"a" is no address such as 10\.0\.0\.1:80/],
    ["10.0.0.1", /is no address/],
    ["10.0.0.1:0", /is no address/],
    ["10.0.0.1:65536", /is no address/],
    ["10.0.0.300:80", /is no address/],
    ["fd00::7:80", /is no address/],
    ["[10.0.0.1]:80", /is no address/],
    ["http://a.test:80", /is no address/],
    ["unix:users.sock", /no absolute path/],
    ["{", /no JSON/],
    ["{}", /`address` is missing/],
    ['{"address":7}', /`address` is missing or no text/],
    ['{"address":"a.test:80","weight":0}', /`weight` must be above 0/],
    ['{"address":"a.test:80","weight":"2"}', /`weight` must be/],
    ['{"address":"a.test:80","priority":1.5}', /`priority` must be a whole number/],
    ['{"address":"a.test:80","role":"a b"}', /`role` must be a name/],
    [`a${"b".repeat(300)}:80`, /longer than 300/],
    [`{"address":"a.test:80","x":"${"x".repeat(20_000)}"}`, /longer than 16384/],
  ];
  for (const [value, wanted] of cases) assert.throws(() => endpointOfNode("/users/a", value), wanted, value);
});

Deno.test("endpointAddress() gives back every address that it takes, or throws a SyntaxError", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.ipV4().map((ip) => `${ip}:80`),
        fc.ipV6().map((ip) => `[${ip}]:80`),
      ),
      (text) => {
        try {
          assert.equal(endpointAddress(text), text);
        } catch (error) {
          assert.ok(error instanceof SyntaxError);
        }
      },
    ),
  );
  fc.assert(fc.property(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
    assert.equal(endpointAddress(`${ip}:${port}`), `${ip}:${port}`);
  }));
});

Deno.test("NodeEndpoints keeps the endpoint of a node whose new value makes no sense, and says so", () => {
  const nodes = new NodeEndpoints();
  nodes.set("/users/b", "10.0.0.2:80");
  nodes.set("/users/a", "10.0.0.1:80");
  nodes.set("/users/b", "oops");
  nodes.set("/users/c", "oops, too");
  assert.deepEqual(nodes.specs().map(({ address }) => address), ["10.0.0.1:80", "10.0.0.2:80"]);
  assert.match(nodes.problem, /^2 of 3 nodes cannot be used; the first: \/users\/b: "oops" is no address/);
  nodes.set("/users/b", "10.0.0.3:80");
  nodes.keepOnly(new Set(["/users/b"]));
  assert.deepEqual([nodes.problem, nodes.size, nodes.has("/users/c")], ["", 1, false]);
});
