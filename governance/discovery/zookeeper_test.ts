/** What is special about ZooKeeper: logins, nodes that come and go as a whole, servers that hang, expired sessions. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import zookeeper from "node-zookeeper-client";
import { systemClock } from "../../core/clock.ts";
import { freePorts } from "../../tests/provision.ts";
import { FakeHost } from "./testdata/fake_host.ts";
import { Crashable, withZookeeper, zookeeperPlan } from "./testdata/rigs.ts";
import { zookeeperDiscovery } from "./zookeeper.ts";
import { openZookeeper } from "./zookeeper_session.ts";

const parent = "/services/users";
const discovery = zookeeperDiscovery({ timeoutMs: 3000 });
const value = (text: string) => Buffer.from(text);

Deno.test("zookeeper waits for its node, follows children and their content, also when a node is made again", async () => {
  await using server = await Crashable.start("zookeeper");
  const { port } = server;
  await using host = new FakeHost(discovery, zookeeperPlan(port));
  await host.until("told that it is missing", ({ failure }) => failure === `there is no node ${parent}`);
  await withZookeeper(port, async (call) => {
    await call("mkdirp", parent);
    await call("create", `${parent}/a`, value('{"address":"10.0.0.1:80","weight":2}'));
    await host.until("there", ({ addresses }) => addresses.join() === "10.0.0.1:80");
    assert.equal(host.specs[0]!.weight, 2);
    await call("create", `${parent}/10.0.0.2:80`, value(""));
    await host.until("two", ({ addresses }) => addresses.join() === "10.0.0.1:80,10.0.0.2:80");
    await call("setData", `${parent}/a`, value("10.0.0.3:80"), -1);
    await host.until("changed", ({ addresses }) => addresses.join() === "10.0.0.2:80,10.0.0.3:80");
    // Twice, faster than it can be read in between.
    await Promise.all([
      call("remove", `${parent}/a`, -1),
      call("create", `${parent}/a`, value("10.0.0.4:80")),
      call("setData", `${parent}/a`, value("10.0.0.5:80"), -1),
    ]);
    await host.until("made again", ({ addresses }) => addresses.join() === "10.0.0.2:80,10.0.0.5:80");
    await call("setData", `${parent}/a`, value("10.0.0.6:80"), -1);
    await host.until("watched again", ({ addresses }) => addresses.join() === "10.0.0.2:80,10.0.0.6:80");
    await call("setData", `${parent}/a`, value("nonsense"), -1);
    await host.until("told", ({ problem }) => /1 of 2 nodes cannot be used/.test(problem));
    assert.equal(host.specs.length, 2);
    for (const name of ["a", "10.0.0.2:80"]) await call("remove", `${parent}/${name}`, -1);
    await host.until("empty", ({ specs }) => specs.length === 0);
    await call("remove", parent, -1);
    await host.until("gone", ({ failure }) => failure === `there is no node ${parent}`);
    await call("create", parent, value(""));
    await call("create", `${parent}/b`, value("10.0.0.7:80"));
    await host.until("back", ({ addresses }) => addresses.join() === "10.0.0.7:80");
  });
});

Deno.test("zookeeper reads a thousand children, each with a watch", async () => {
  await using server = await Crashable.start("zookeeper");
  const { port } = server;
  await withZookeeper(port, async (call) => {
    await call("mkdirp", parent);
    const numbers = Array.from({ length: 1000 }, (_, number) => number);
    const path = (number: number) => `${parent}/10.0.${number >> 8}.${number & 255}:80`;
    await Promise.all(numbers.map((number) => call("create", path(number), value(""))));
    await using host = new FakeHost(discovery, zookeeperPlan(port));
    await host.until("there", ({ specs }) => specs.length === 1000);
    await call("setData", path(999), value("10.9.9.9:80"), -1);
    await host.until("changed", ({ addresses }) => addresses.includes("10.9.9.9:80"));
  });
});

Deno.test("zookeeper logs in, and says that it may not read where it does not", async () => {
  await using server = await Crashable.start("zookeeper");
  const { port } = server;
  // As `echo -n reader:s3cret | openssl dgst -binary -sha1 | base64` makes it.
  const digest = Buffer.from(await crypto.subtle.digest("SHA-1", Buffer.from("reader:s3cret"))).toString(
    "base64",
  );
  const acl = [new zookeeper.ACL(zookeeper.Permission.READ, new zookeeper.Id("digest", `reader:${digest}`))];
  await withZookeeper(port, async (call) => {
    await call("mkdirp", parent);
    await call("create", `${parent}/a`, value("10.0.0.1:80"));
    for (const path of [`${parent}/a`, parent]) await call("setACL", path, acl, -1);
  });
  {
    await using host = new FakeHost(discovery, zookeeperPlan(port, "reader:s3cret"));
    await host.until("there", ({ addresses }) => addresses.join() === "10.0.0.1:80");
    assert.equal(host.failed, 0);
  }
  for (const auth of [null, "reader:wr0ng"]) {
    await using host = new FakeHost(discovery, zookeeperPlan(port, auth));
    await host.until("refused", ({ failed }) => failed > 0);
    assert.match(host.failure, /^127\.0\.0\.1:\d+: not allowed$|not allowed/);
    assert.ok(!host.failure.includes("wr0ng"));
  }
});

Deno.test("zookeeper leaves a server that hangs, and goes on with a new session when the old one has expired", async () => {
  await using server = await Crashable.start("zookeeper");
  const { port } = server;
  await withZookeeper(port, (call) => call("mkdirp", parent));
  await withZookeeper(port, (call) => call("create", `${parent}/a`, value("10.0.0.1:80")));
  await using host = new FakeHost(zookeeperDiscovery({ timeoutMs: 1000 }), zookeeperPlan(port));
  await host.until("there", ({ published }) => published > 0);
  server.signal("SIGSTOP");
  await host.until("told", ({ failure }) => /silent for \d+ ms|no connection within/.test(failure));
  server.signal("SIGCONT");
  await host.until("back", ({ failure }) => failure === "");
  await withZookeeper(port, (call) => call("create", `${parent}/b`, value("10.0.0.2:80")));
  await host.until("followed", ({ addresses }) => addresses.join() === "10.0.0.1:80,10.0.0.2:80");
});

Deno.test("zookeeper asks the next server of its list", async () => {
  await using server = await Crashable.start("zookeeper");
  await withZookeeper(server.port, (call) => call("mkdirp", `${parent}/10.0.0.1:80`));
  const [closed] = freePorts(1, { from: 20_000, to: 20_799 });
  const plan = zookeeperPlan(server.port);
  plan.zookeeper!.connect = `127.0.0.1:${closed},127.0.0.1:${server.port}`;
  await using host = new FakeHost(discovery, plan);
  await host.until("there", ({ addresses }) => addresses.join() === "10.0.0.1:80");
});

Deno.test("ZookeeperSession ends with the server's word, once, and everything that waits for it", async () => {
  await using server = await Crashable.start("zookeeper");
  // Beats six times per session, so that after eight a server that answers no ping would have been left.
  const eightBeats = Promise.withResolvers<void>();
  let beats = 0;
  const clock = {
    ...systemClock,
    every: (periodMs: number, callback: () => void) =>
      systemClock.every(periodMs, () => {
        callback();
        if (++beats === 8) eightBeats.resolve();
      }),
  };
  const { port } = server;
  const session = await openZookeeper(
    { hostname: "127.0.0.1", port, auth: null, timeoutMs: 3000, clock, onEvent() {} },
    new AbortController().signal,
  );
  await Promise.race([session.ended, eightBeats.promise]);
  assert.equal(await session.exists("/zookeeper"), true);
  await server.crash();
  const waiting = Array.from({ length: 300 }, () => session.children("/"));
  const results = await Promise.allSettled(waiting);
  assert.ok(results.every(({ status }) => status === "rejected"));
  await assert.rejects(session.ended, new RegExp(`127\\.0\\.0\\.1:${port}: `));
  session.close();
});
