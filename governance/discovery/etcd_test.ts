/** What is special about etcd: logins, compaction, servers that hang, several servers. */
import assert from "node:assert/strict";
import type { DiscoverPlan } from "../../core/upstream/endpoint_feed_source.ts";
import { freePorts } from "../../tests/provision.ts";
import { etcdDiscovery } from "./etcd.ts";
import { EtcdGateway } from "./etcd_gateway.ts";
import { FakeHost } from "./testdata/fake_host.ts";
import { askEtcd, Crashable, etcdPlan } from "./testdata/rigs.ts";

const fast = { timeoutMs: 1000, checkMs: 200 };
const prefix = "/services/users/";

async function put(port: number, name: string, value: string, token = ""): Promise<void> {
  await askEtcd(port, "kv/put", { key: btoa(prefix + name), value: btoa(value) }, token);
}

Deno.test("etcd publishes what the values say, and keeps to its prefix", async () => {
  await using server = await Crashable.start("etcd");
  await put(server.port, "a", '{"address":"10.0.0.1:80","weight":2,"role":"replica","priority":1}');
  await put(server.port, "b", "10.0.0.2:80");
  await put(server.port, "10.0.0.3:80", "");
  await put(server.port, "../users0", "10.0.0.9:80");
  await askEtcd(server.port, "kv/put", { key: btoa("/services/users0"), value: btoa("10.0.0.9:80") });
  await using host = new FakeHost(etcdDiscovery(fast), etcdPlan(server.port));
  await host.until("there", ({ published }) => published > 0);
  await askEtcd(server.port, "kv/deleterange", { key: btoa(`${prefix}../users0`) });
  await host.until("four minus one", ({ specs }) => specs.length === 3);
  assert.deepEqual(host.specs, [
    { address: "10.0.0.3:80", weight: 1, role: null, priority: 0 },
    { address: "10.0.0.1:80", weight: 2, role: "replica", priority: 1 },
    { address: "10.0.0.2:80", weight: 1, role: null, priority: 0 },
  ]);
  await put(server.port, "b", "nonsense");
  await host.until("told", ({ problem }) => problem !== "");
  assert.match(host.problem, /1 of 3 nodes cannot be used; the first: \/services\/users\/b: "nonsense"/);
  assert.equal(host.specs.length, 3);
  await put(server.port, "b", "10.0.0.4:80");
  await host.until(
    "repaired",
    ({ problem, addresses }) => problem === "" && addresses.includes("10.0.0.4:80"),
  );
});

Deno.test("etcd logs in, reads with no more than its rights, and does not say the password", async () => {
  await using server = await Crashable.start("etcd");
  const { port } = server;
  const range = { key: btoa(prefix), range_end: btoa("/services/users0") };
  await askEtcd(port, "auth/user/add", { name: "root", password: "for-root" });
  await askEtcd(port, "auth/user/add", { name: "reader", password: "s3cret" });
  await askEtcd(port, "auth/role/add", { name: "root" });
  await askEtcd(port, "auth/role/add", { name: "reading" });
  await askEtcd(port, "auth/role/grant", { name: "reading", perm: { permType: "READ", ...range } });
  await askEtcd(port, "auth/user/grant", { user: "root", role: "root" });
  await askEtcd(port, "auth/user/grant", { user: "reader", role: "reading" });
  await askEtcd(port, "auth/enable", {});
  const { token } = await askEtcd(port, "auth/authenticate", { name: "root", password: "for-root" }) as {
    token: string;
  };
  await put(port, "a", "10.0.0.1:80", token);
  {
    await using host = new FakeHost(
      etcdDiscovery(fast),
      etcdPlan(port, { user: "reader", password: "s3cret" }),
    );
    await host.until("there", ({ published }) => published > 0);
    await put(port, "b", "10.0.0.2:80", token);
    await host.until("followed", ({ addresses }) => addresses.join() === "10.0.0.1:80,10.0.0.2:80");
    assert.equal(host.failed, 0);
  }
  for (const login of [null, { user: "reader", password: "wr0ng" }]) {
    await using host = new FakeHost(etcdDiscovery(fast), etcdPlan(port, login));
    await host.until("refused", ({ failed }) => failed > 0);
    assert.match(host.failure, /answers 400: .*(user name is empty|authentication failed)/);
    assert.ok(!host.failure.includes("wr0ng"));
  }
});

Deno.test("EtcdGateway.watch() says that what it asks for is compacted away", async () => {
  await using server = await Crashable.start("etcd");
  const { port } = server;
  for (let number = 0; number < 5; number++) await put(port, "a", `10.0.0.${number}:80`);
  const gateway = new EtcdGateway(`127.0.0.1:${port}`, new AbortController().signal, 1000);
  const { revision } = await gateway.range(prefix, 10);
  await askEtcd(port, "kv/compaction", { revision: String(revision) });
  const { signal } = new AbortController();
  await assert.rejects(gateway.watch(prefix, 2n, signal, () => {}), /ended the watch: compacted up to \d+/);
});

Deno.test("etcd reads everything anew after a restart that compaction came with", async () => {
  await using server = await Crashable.start("etcd");
  const { port } = server;
  await put(port, "a", "10.0.0.1:80");
  await using host = new FakeHost(etcdDiscovery(fast), etcdPlan(port));
  await host.until("there", ({ published }) => published > 0);
  await server.crash();
  await host.until("told", ({ failure }) => failure !== "");
  await server.revive();
  for (let number = 2; number < 9; number++) await put(port, "b", `10.0.0.${number}:80`);
  const { header } = await askEtcd(port, "kv/range", { key: btoa(prefix) }) as {
    header: { revision: string };
  };
  await askEtcd(port, "kv/compaction", { revision: header.revision });
  await host.until("anew", ({ addresses }) => addresses.join() === "10.0.0.1:80,10.0.0.8:80");
});

Deno.test("etcd notices a server that hangs, and goes on when it goes on", async () => {
  await using server = await Crashable.start("etcd");
  const { port } = server;
  await put(port, "a", "10.0.0.1:80");
  await using host = new FakeHost(etcdDiscovery({ timeoutMs: 300, checkMs: 200 }), etcdPlan(port));
  await host.until("there", ({ published }) => published > 0);
  server.signal("SIGSTOP");
  await host.until("told", ({ failure }) => failure.endsWith("does not answer within 300 ms"));
  server.signal("SIGCONT");
  await put(port, "b", "10.0.0.2:80");
  await host.until("followed", ({ addresses }) => addresses.join() === "10.0.0.1:80,10.0.0.2:80");
});

Deno.test("etcd asks the next server of its list", async () => {
  await using server = await Crashable.start("etcd");
  await put(server.port, "a", "10.0.0.1:80");
  const [closed] = freePorts(1, { from: 20_000, to: 20_799 });
  const { etcd } = etcdPlan(server.port);
  const endpoints = [closed!, server.port].map((port) => ({ ...etcd!.endpoints[0]!, port }));
  await using host = new FakeHost(
    etcdDiscovery(fast),
    { etcd: { ...etcd, endpoints } } as unknown as DiscoverPlan,
  );
  await host.until("there", ({ published }) => published > 0);
  assert.deepEqual(host.addresses, ["10.0.0.1:80"]);
});
