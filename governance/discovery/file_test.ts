/** Endpoints from a file: its form, its mistakes, and the ways in which files change. */
import assert from "node:assert/strict";
import type { DiscoverPlan } from "../../core/upstream/endpoint_feed_source.ts";
import { parseEndpointList } from "./endpoint_list.ts";
import { fileDiscovery } from "./file.ts";
import { FakeHost } from "./testdata/fake_host.ts";
import { Watched } from "./testdata/watched.ts";

const plain = { weight: 1, role: null, priority: 0 };

Deno.test("parseEndpointList() reads YAML and JSON in the form of `static`", async () => {
  const wanted = [
    { ...plain, address: "10.0.0.1:80" },
    { address: "a.test:80", weight: 2, role: "replica", priority: 1 },
    { ...plain, address: "unix:/srv/run/peer.sock" },
  ];
  const yaml =
    "# peers\n- 10.0.0.1:80\n- { address: a.test:80, weight: 2, role: replica, priority: 1 }\n- unix:./run/peer.sock\n";
  const json = JSON.stringify(["10.0.0.1:80", wanted[1], "unix:run/peer.sock"]);
  assert.deepEqual(await parseEndpointList(yaml, "/srv/users.yaml"), wanted);
  assert.deepEqual(await parseEndpointList(json, "/srv/users.json"), wanted);
  const shared = "- &first { address: 10.0.0.1:80 }\n- *first\n";
  assert.deepEqual(await parseEndpointList(shared, "/a.yaml"), [wanted[0], wanted[0]]);
  assert.deepEqual(await parseEndpointList("# nobody\n", "/a.yaml"), []);
  assert.deepEqual(await parseEndpointList("[]", "/a.yaml"), []);
});

Deno.test("parseEndpointList() says where a mistake is", async () => {
  const cases: [text: string, wanted: RegExp][] = [
    ["- 10.0.0.1:80\n- 10.0.0.2\n", /^\/f\.yaml:2:3: "10\.0\.0\.2" is no address/],
    ["- address: 10.0.0.1:80\n  weight: none\n", /^\/f\.yaml:2:11: `weight` must be above 0/],
    [
      "- address: 10.0.0.1:80\n  wieght: 2\n",
      /^\/f\.yaml:2:11: unknown key "wieght"; known: address, weight/,
    ],
    ["- { weight: 2 }\n", /^\/f\.yaml:1:3: `address` is missing/],
    ["- 7\n", /^\/f\.yaml:1:3: an endpoint is an address or/],
    ["-\n", /^\/f\.yaml:1:\d+: an endpoint is/],
    ["users: 10.0.0.1:80\n", /^\/f\.yaml:1:1: must be a list/],
    ["- [\n", /^\/f\.yaml:2:1: /],
    ["- *nobody\n", /^\/f\.yaml:1:3: /],
    ['["10.0.0.1:80",\n "10.0.0.2"]', /^\/f\.yaml:2:2: "10\.0\.0\.2" is no address/],
    ['["10.0.0.1:80",\n "10.0.0.2:80"', /^\/f\.yaml:2:\d+: /],
  ];
  for (const [text, wanted] of cases) {
    const { name, message } = await parseEndpointList(text, "/f.yaml").then(
      () => new Error("taken"),
      (error) => error,
    );
    assert.match(message, wanted, text);
    assert.equal(name, "SyntaxError", text);
  }
});

Deno.test("file keeps the set through a broken file, says line and column once, and takes the repaired one", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/users.yaml`;
  await Deno.writeTextFile(path, "- 10.0.0.1:80\n- 10.0.0.2:80\n");
  await using watched = new Watched(fileDiscovery, { file: path } as DiscoverPlan);
  await watched.untilAddresses("10.0.0.1:80", "10.0.0.2:80");
  await Deno.writeTextFile(path, "- 10.0.0.1:80\n- nonsense\n");
  await watched.until("told", ({ state }) => state.error !== "");
  assert.match(watched.state.error, /users\.yaml:2:3: "nonsense" is no address/);
  assert.equal(watched.specs.size, 2);
  assert.equal(watched.lines.filter((line) => line.startsWith("warn")).length, 1);
  await Deno.writeTextFile(path, "- 10.0.0.1:80\n");
  await watched.untilAddresses("10.0.0.1:80");
  assert.equal(watched.state.error, "");
  await Deno.writeTextFile(path, "");
  await watched.until("told that it is empty", ({ state }) => state.error !== "");
  assert.match(watched.state.error, /has no endpoints; the 1 known are kept/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("file sees a link that leads elsewhere, and a folder that comes later", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/later/users.yaml`;
  await using host = new FakeHost(fileDiscovery, { file: path } as DiscoverPlan);
  await host.until("told that it is missing", ({ failure }) => failure.endsWith("users.yaml does not exist"));
  // As mounted configuration does it: a link to a link to a folder, of which the first is replaced.
  for (const [index, version] of ["one", "two"].entries()) {
    await Deno.mkdir(`${folder}/${version}`);
    await Deno.writeTextFile(`${folder}/${version}/users.yaml`, `- 10.0.0.${index + 1}:80\n`);
  }
  await Deno.mkdir(`${folder}/later`);
  await Deno.symlink(`${folder}/one`, `${folder}/later/..data`);
  await Deno.symlink("..data/users.yaml", path);
  await host.until("there", ({ addresses }) => addresses.join() === "10.0.0.1:80");
  await Deno.symlink(`${folder}/two`, `${folder}/later/..new`);
  await Deno.rename(`${folder}/later/..new`, `${folder}/later/..data`);
  await host.until("moved", ({ addresses }) => addresses.join() === "10.0.0.2:80");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("file refuses what is too large, and what is no file", async () => {
  const folder = await Deno.makeTempDir();
  {
    await using host = new FakeHost(fileDiscovery, { file: folder } as DiscoverPlan);
    await host.until("told", ({ failure }) => failure.endsWith("is no file"));
  }
  const path = `${folder}/users.yaml`;
  {
    using file = await Deno.create(path);
    await file.truncate(17 * 1024 * 1024);
  }
  await using host = new FakeHost(fileDiscovery, { file: path } as DiscoverPlan);
  await host.until("told", ({ failure }) => /is larger than 16777216 bytes/.test(failure));
  await Deno.remove(folder, { recursive: true });
});
