import assert from "node:assert/strict";
import { systemClock } from "../../core/clock.ts";
import { type DiscoverPlan, type EndpointSet, sourceKey } from "../../core/upstream/endpoint_feed_source.ts";
import type { Discovery, DiscoveryHost } from "./discovery.ts";
import { memoryLog } from "./testdata/watched.ts";
import { watchEndpointsWith } from "./watch_endpoints.ts";

const file = (path: string) => ({ discover: { file: path } as DiscoverPlan });

function rig() {
  const made: string[] = [];
  const ended: string[] = [];
  const hosts = new Map<string, DiscoveryHost>();
  const sets = new Map<string, EndpointSet>();
  const discovery: Discovery = {
    kind: "discovery",
    name: "file",
    make(host, scope) {
      made.push(host.plan.file!);
      hosts.set(host.plan.file!, host);
      scope.defer(() => void ended.push(host.plan.file!));
    },
  };
  const sources = watchEndpointsWith([discovery])({
    clock: systemClock,
    log: memoryLog([]),
    known: () => undefined,
    publish: (key, set) => void sets.set(key, set),
  });
  return { sources, made, ended, hosts, sets };
}

const spec = { address: "10.0.0.1:80", weight: 1, role: null, priority: 0 };

Deno.test("watchEndpointsWith() makes one source for all upstreams that ask the same", () => {
  const { sources, made, hosts, sets } = rig();
  const address = { transport: "tcp", hostname: "a", port: 1 } as const;
  const fixed = { discover: { static: [{ ...spec, address }] } as unknown as DiscoverPlan };
  sources.watch({ a: file("/a"), b: file("/a"), c: file("/c"), d: fixed });
  assert.deepEqual(made, ["/a", "/c"]);
  hosts.get("/a")!.publish([spec]);
  assert.deepEqual([...sets.keys()], [sourceKey({ file: "/a" } as DiscoverPlan)]);
});

Deno.test("watchEndpointsWith() leaves a source alone that goes on being needed, and ends the others", async () => {
  const { sources, made, ended, hosts, sets } = rig();
  sources.watch({ a: file("/a"), b: file("/b") });
  sources.watch({ renamed: file("/a"), c: file("/c") });
  assert.deepEqual([made, ended], [["/a", "/b", "/c"], ["/b"]]);
  // A source that still says something after its end.
  hosts.get("/b")!.publish([spec]);
  hosts.get("/b")!.fail("no");
  assert.equal(sets.size, 0);
  await sources.close();
  assert.deepEqual(ended.sort(), ["/a", "/b", "/c"]);
});

Deno.test("watchEndpointsWith() says so where there is no such source", () => {
  const { sources, sets } = rig();
  const discover = { registry: "users" } as DiscoverPlan;
  sources.watch({ users: { discover } });
  assert.equal(sets.get(sourceKey(discover))!.state.error, "there is no source registry");
});
