/** What DNS says, asked of a real dnsmasq (D15: all records of both families, TTL honoured, failures visible). */
import assert from "node:assert/strict";
import { systemClock } from "../../core/clock.ts";
import type { DiscoverPlan } from "../../core/upstream/endpoint_feed_source.ts";
import { freePorts } from "../../tests/provision.ts";
import { dnsDiscovery } from "./dns.ts";
import { FakeHost } from "./testdata/fake_host.ts";
import { Crashable } from "./testdata/rigs.ts";

const range = { from: 20_000, to: 20_799 };

function plan(change: Partial<NonNullable<DiscoverPlan["dns"]>> = {}): DiscoverPlan {
  return { dns: { name: "users.test", port: 8080, srv: null, every: 60_000, ...change } } as DiscoverPlan;
}

/** Real time, with what was asked of its timers. */
function noting() {
  const delaysMs: number[] = [];
  const clock = {
    ...systemClock,
    after(delayMs: number, callback: () => void) {
      delaysMs.push(delayMs);
      return systemClock.after(delayMs, callback);
    },
  };
  return { clock, delaysMs };
}

Deno.test("dns publishes all A and AAAA records, however many there are, with the name for certificates (D15)", async () => {
  const v4 = Array.from({ length: 120 }, (_, index) => `10.0.1.${index + 1}`);
  const v6 = Array.from({ length: 30 }, (_, index) => `fd00::${(index + 1).toString(16)}`);
  await using server = await Crashable.start("dnsmasq", (folder) => {
    const lines = [...v4, ...v6].map((ip) => `${ip} users.test\n`);
    Deno.writeTextFileSync(`${folder}/hosts`, lines.join(""));
  });
  await using host = new FakeHost(dnsDiscovery({ servers: [`127.0.0.1:${server.port}`] }), plan());
  await host.until("answered", ({ published }) => published > 0);
  assert.equal(host.problem, "");
  const wanted = [...v4.map((ip) => `${ip}:8080`), ...v6.map((ip) => `[${ip}]:8080`)];
  assert.deepEqual(host.addresses, wanted.sort());
  assert.deepEqual(
    [
      ...new Set(
        host.specs.map(({ weight, priority, role, serverName }) =>
          [weight, priority, role, serverName].join()
        ),
      ),
    ],
    ["1,0,,users.test"],
  );
});

Deno.test("dns asks again when the TTL is over, not later than `every` and not more often than once a second", async () => {
  await using server = await Crashable.start("dnsmasq", (folder) => {
    Deno.writeTextFileSync(`${folder}/hosts`, "127.0.0.1 users.test\n");
    Deno.writeTextFileSync(
      `${folder}/services.conf`,
      "host-record=slow.test,127.0.0.2,30\nhost-record=zero.test,127.0.0.3,0\n",
    );
  });
  const discovery = dnsDiscovery({ servers: [`127.0.0.1:${server.port}`] });
  const firstDelay = async (change: Partial<NonNullable<DiscoverPlan["dns"]>>) => {
    const { clock, delaysMs } = noting();
    await using host = new FakeHost(discovery, plan(change), clock);
    await host.until("answered", ({ published }) => published > 0);
    // The appointment is made right after the answer.
    await Promise.resolve();
    return delaysMs[0]! / 0.95;
  };
  const about = (delayMs: number, wantedMs: number) =>
    assert.ok(delayMs >= wantedMs * 0.94 && delayMs <= wantedMs * 1.06, `${delayMs} instead of ${wantedMs}`);
  about(await firstDelay({ name: "slow.test" }), 30_000);
  about(await firstDelay({ name: "slow.test", every: 5_000 }), 5_000);
  about(await firstDelay({ name: "users.test" }), 1_000);
  about(await firstDelay({ name: "zero.test" }), 1_000);
  about(await firstDelay({ name: "zero.test", every: 100 }), 100);
});

Deno.test("dns sees records come and go, and says when a server does not answer (D15)", async () => {
  await using server = await Crashable.start("dnsmasq", (folder) => {
    Deno.writeTextFileSync(`${folder}/hosts`, "127.0.0.1 users.test\n");
  });
  const discovery = dnsDiscovery({ servers: [`127.0.0.1:${server.port}`], timeoutMs: 300 });
  await using host = new FakeHost(discovery, plan({ every: 100 }));
  await host.until("there", ({ addresses }) => addresses.join() === "127.0.0.1:8080");
  await Deno.writeTextFile(`${server.folder}/hosts`, "127.0.0.2 users.test\n::2 users.test\n");
  server.signal("SIGHUP");
  await host.until("rotated", ({ addresses }) => addresses.join() === "127.0.0.2:8080,[::2]:8080");
  server.signal("SIGSTOP");
  await host.until("told", ({ problem, failure }) => /does not answer/.test(problem + failure));
  assert.deepEqual(host.addresses, ["127.0.0.2:8080", "[::2]:8080"]);
  server.signal("SIGCONT");
  await host.until("well", ({ problem, failure }) => problem + failure === "");
});

Deno.test("dns makes endpoints of SRV records: port, priority, and a weight that their addresses share", async () => {
  await using server = await Crashable.start("dnsmasq", (folder) => {
    Deno.writeTextFileSync(`${folder}/hosts`, "127.0.0.1 a.test\n127.0.0.2 a.test\n::3 b.test\n");
    const services = [
      "srv-host=_http._tcp.users.test,a.test,8081,0,10",
      "srv-host=_http._tcp.users.test,b.test,8082,1,0",
      "srv-host=_all._tcp.users.test,a.test,8081,0,0",
      "srv-host=_gone._tcp.users.test",
    ];
    Deno.writeTextFileSync(`${folder}/services.conf`, services.map((line) => `${line}\n`).join(""));
  });
  const discovery = dnsDiscovery({ servers: [`127.0.0.1:${server.port}`] });
  const ask = async (srv: string) => {
    await using host = new FakeHost(discovery, plan({ name: null, port: null, srv }));
    await host.until("answered", ({ published, failed }) => published + failed > 0);
    return host.specs.map(({ address, weight, priority, serverName }) =>
      `${address} ${weight} ${priority} ${serverName}`
    )
      .sort();
  };
  assert.deepEqual(await ask("_http._tcp.users.test"), [
    "127.0.0.1:8081 5 0 a.test",
    "127.0.0.2:8081 5 0 a.test",
    "[::3]:8082 0.01 1 b.test",
  ]);
  assert.deepEqual(await ask("_all._tcp.users.test"), [
    "127.0.0.1:8081 0.5 0 a.test",
    "127.0.0.2:8081 0.5 0 a.test",
  ]);
  assert.deepEqual(await ask("_gone._tcp.users.test"), []);
  assert.deepEqual(await ask("_none._tcp.users.test"), []);
});

Deno.test("dns asks the next server when one does not answer or does not know", async () => {
  await using knows = await Crashable.start("dnsmasq", (folder) => {
    Deno.writeTextFileSync(`${folder}/hosts`, "127.0.0.1 users.test\n");
  });
  await using ignorant = await Crashable.start("dnsmasq");
  const [silent] = freePorts(1, range);
  const servers = [silent, ignorant.port, knows.port].map((port) => `127.0.0.1:${port}`);
  await using host = new FakeHost(dnsDiscovery({ servers, timeoutMs: 200 }), plan());
  await host.until("answered", ({ published }) => published > 0);
  assert.deepEqual([host.addresses, host.problem], [["127.0.0.1:8080"], ""]);
});

Deno.test("dns takes an address for a name, and knows the names that only the system knows", async () => {
  for (const [name, address] of [["127.0.0.9", "127.0.0.9:8080"], ["::9", "[::9]:8080"]]) {
    await using host = new FakeHost(dnsDiscovery({ servers: [] }), plan({ name: name! }));
    await host.until("answered", ({ published }) => published > 0);
    assert.deepEqual(host.addresses, [address]);
  }
  await using host = new FakeHost(dnsDiscovery(), plan({ name: "localhost" }));
  await host.until("answered", ({ published, failed }) => published + failed > 0, 30_000);
  assert.ok(host.addresses.some((one) => ["127.0.0.1:8080", "[::1]:8080"].includes(one)), host.failure);
});
