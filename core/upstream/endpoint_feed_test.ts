/** The feed of a worker: from the plan, from files and messages, from what was kept on disk. */
import assert from "node:assert/strict";
import { systemClock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { EndpointSourceState, EndpointSpec } from "../endpoint.ts";
import { createEndpointFeed, type WorkerEndpointFeed } from "./endpoint_feed.ts";
import {
  type DiscoverPlan,
  type EndpointSet,
  sourceKey,
  sourceText,
  type WatchHost,
} from "./endpoint_feed_source.ts";
import {
  endpointCacheFolder,
  endpointFolder,
  makeOwnFolder,
  readEndpointFile,
  writeEndpointFile,
} from "./endpoint_file.ts";
import { EndpointKeeper } from "./endpoint_file_keeper.ts";
import { applyChange } from "./testdata/apply_change.ts";

const discover = { file: "/etc/users.yaml" } as DiscoverPlan;
const key = sourceKey(discover);

function spec(number: number): EndpointSpec {
  return {
    address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}:8080`,
    weight: 1 + number % 3,
    role: number % 10 === 0 ? "replica" : null,
    priority: 0,
  };
}

function setOf(
  version: number,
  numbers: Iterable<number>,
  state: Partial<EndpointSourceState> = {},
): EndpointSet {
  return {
    version,
    state: { source: "file /etc/users.yaml", updatedAt: version, error: "", cached: false, ...state },
    specs: [...numbers].map(spec),
  };
}

class Rig implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "weir-feed-" });
  readonly runtimeFolder = `${this.folder}/run`;
  readonly cacheFolder = `${this.folder}/cache`;
  readonly lines: string[] = [];
  readonly log: Log;

  constructor() {
    const write = (message: string, fields?: object) =>
      void this.lines.push(`${message} ${JSON.stringify(fields)}`);
    const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
    this.log = log;
    makeOwnFolder(endpointFolder(this.runtimeFolder));
    makeOwnFolder(this.cacheFolder);
  }

  feed(upstreams: Record<string, { discover: DiscoverPlan }> = { users: { discover } }): WorkerEndpointFeed {
    const { runtimeFolder, cacheFolder, log } = this;
    return createEndpointFeed({ plan: { upstreams }, runtimeFolder, cacheFolder, clock: systemClock, log });
  }

  write(set: EndpointSet): { type: string; source: string; version: number } {
    writeEndpointFile(endpointFolder(this.runtimeFolder), key, set);
    return { type: "endpoints", source: key, version: set.version };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function follow(feed: WorkerEndpointFeed, upstream = "users") {
  const seen = {
    specs: new Map<string, EndpointSpec>(),
    calls: 0,
    state: undefined as unknown as EndpointSourceState,
  };
  const stop = feed.watch(upstream, (change, state) => {
    applyChange(seen.specs, change);
    seen.state = state;
    seen.calls++;
  });
  return { seen, stop };
}

Deno.test("createEndpointFeed() gives static endpoints at once, with their settings", () => {
  using rig = new Rig();
  const address = { transport: "tcp", hostname: "::1", port: 80 } as const;
  const written = [{ address, weight: 2, role: "replica", priority: 1 }];
  const feed = rig.feed({ users: { discover: { static: written } as unknown as DiscoverPlan } });
  const { seen } = follow(feed);
  assert.deepEqual([...seen.specs.values()], [{
    address: "[::1]:80",
    weight: 2,
    role: "replica",
    priority: 1,
  }]);
  assert.equal(seen.state.source, "static");
  assert.throws(() => feed.watch("orders", () => {}), /There is no upstream "orders"/);
});

Deno.test("createEndpointFeed() calls back once with nothing where nothing is known, then with every change", () => {
  using rig = new Rig();
  const feed = rig.feed({ users: { discover }, others: { discover } });
  const { seen, stop } = follow(feed);
  const others = follow(feed, "others");
  assert.deepEqual([seen.calls, seen.specs.size, seen.state.updatedAt], [1, 0, 0]);
  feed.heard(rig.write(setOf(2, [1, 2])));
  feed.heard(rig.write(setOf(3, [2, 3])));
  assert.deepEqual([...seen.specs.values()], [spec(2), spec(3)]);
  assert.deepEqual(seen.specs, others.seen.specs);
  const message = rig.write(setOf(4, [2, 3], { error: "it burns" }));
  feed.heard(message);
  assert.deepEqual([seen.calls, seen.state.error, seen.specs.size], [4, "it burns", 2]);
  feed.heard(message);
  feed.heard({ type: "endpoints", source: "another", version: 9 });
  feed.heard({ type: "drain" });
  assert.equal(seen.calls, 4);
  stop();
  feed.heard(rig.write(setOf(5, [9])));
  assert.deepEqual([seen.calls, others.seen.specs.size], [4, 1]);
});

Deno.test("createEndpointFeed() begins with the current file, else with the last good one, and says which", () => {
  using rig = new Rig();
  writeEndpointFile(rig.cacheFolder, key, setOf(1, [1]));
  const cached = follow(rig.feed()).seen;
  assert.deepEqual([[...cached.specs.values()], cached.state.cached], [[spec(1)], true]);
  rig.write(setOf(2, [2]));
  const current = follow(rig.feed()).seen;
  assert.deepEqual([[...current.specs.values()], current.state.cached], [[spec(2)], false]);
});

Deno.test("createEndpointFeed() keeps what it has when a file is damaged", () => {
  using rig = new Rig();
  const feed = rig.feed();
  const { seen } = follow(feed);
  feed.heard(rig.write(setOf(2, [1, 2])));
  const path = `${endpointFolder(rig.runtimeFolder)}/${key}.json`;
  const message = rig.write(setOf(3, [3]));
  const text = Deno.readTextFileSync(path);
  for (
    const wrong of [
      text.replace("8080", "8081"),
      text.slice(0, -5),
      "",
      "\n",
      text.replace('"format":1', '"format":2'),
    ]
  ) {
    Deno.writeTextFileSync(path, wrong);
    feed.heard(message);
    assert.equal(seen.specs.size, 2);
  }
  assert.ok(rig.lines.every((line) => line.startsWith("cannot use a file of endpoints")));
  assert.equal(rig.lines.length, 5);
});

Deno.test("createEndpointFeed() goes on with the other listeners when one throws", () => {
  using rig = new Rig();
  const feed = rig.feed();
  let first = true;
  feed.watch("users", () => {
    if (!first) throw new Error("no");
    first = false;
  });
  const { seen } = follow(feed);
  feed.heard(rig.write(setOf(2, [1])));
  assert.equal(seen.specs.size, 1);
  assert.match(rig.lines.join(), /endpoints not taken/);
});

Deno.test("createEndpointFeed() watches in this process where there is no governor", async () => {
  let host!: WatchHost;
  const closed: string[] = [];
  const feed = createEndpointFeed({
    plan: { upstreams: { users: { discover } } },
    runtimeFolder: null,
    cacheFolder: null,
    clock: systemClock,
    log: new Rig().log,
    watchEndpoints: (given) => {
      host = given;
      return {
        watch: (upstreams) => void closed.push(Object.keys(upstreams).join()),
        close: () => Promise.resolve(void closed.push("closed")),
      };
    },
  });
  const { seen } = follow(feed);
  host.publish(key, setOf(1, [1, 2]));
  host.publish("another", setOf(1, [3]));
  assert.equal(seen.specs.size, 2);
  await feed.close();
  assert.deepEqual(closed, ["users", "closed"]);
});

Deno.test("createEndpointFeed() takes 10,000 endpoints in less than 50 ms of the loop", () => {
  using rig = new Rig();
  const feed = rig.feed();
  const { seen } = follow(feed);
  const numbers = Array.from({ length: 10_000 }, (_, number) => number);
  feed.heard(rig.write(setOf(1, numbers)));
  const tookMs: number[] = [];
  for (let round = 0; round < 10; round++) {
    // A tenth leaves, a tenth comes.
    const message = rig.write(setOf(2 + round, numbers.map((number) => number + 1000 * (round + 1))));
    const startedAt = performance.now();
    feed.heard(message);
    tookMs.push(performance.now() - startedAt);
    assert.equal(seen.specs.size, 10_000);
  }
  tookMs.sort((a, b) => a - b);
  console.log(`10,000 endpoints, 2,000 of them different: ${tookMs.map((ms) => ms.toFixed(1)).join(" ")} ms`);
  // The machine has other work: half of the rounds tell what it takes.
  assert.ok(tookMs[4]! < 50, `${tookMs[4]} ms`);
});

Deno.test("files of endpoints are 0600 in folders of 0700, and folders that others could write to are not believed (D27)", () => {
  using rig = new Rig();
  const folder = `${rig.folder}/a/b`;
  makeOwnFolder(folder);
  writeEndpointFile(folder, key, setOf(1, [1]), true);
  assert.equal(Deno.statSync(folder).mode! & 0o777, 0o700);
  assert.equal(Deno.statSync(`${rig.folder}/a`).mode! & 0o777, 0o700);
  assert.equal(Deno.statSync(`${folder}/${key}.json`).mode! & 0o777, 0o600);
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), [`${key}.json`]);
  assert.equal(readEndpointFile(folder, key)!.specs.length, 1);

  Deno.chmodSync(folder, 0o777);
  assert.throws(() => readEndpointFile(folder, key), /others can write to it/);
  // Whoever makes it private again does not believe what was put there meanwhile.
  makeOwnFolder(folder);
  assert.equal(Deno.statSync(folder).mode! & 0o777, 0o700);
  assert.equal(readEndpointFile(folder, key), undefined);

  writeEndpointFile(folder, key, setOf(1, [1]));
  Deno.chmodSync(`${folder}/${key}.json`, 0o666);
  assert.throws(() => readEndpointFile(folder, key), /others can write to it/);
  Deno.symlinkSync(folder, `${rig.folder}/link`);
  assert.throws(() => makeOwnFolder(`${rig.folder}/link`), /belongs to somebody else/);
  assert.throws(() => readEndpointFile(`${rig.folder}/link`, key), /others can write to it/);
});

Deno.test("endpointCacheFolder() is below governance.cache, else the user's own, one per manifest", () => {
  const env = (values: Record<string, string>) => (name: string) => values[name];
  const plan = { service: "shop", file: "/srv/shop/service.yaml", governance: null };
  const home = endpointCacheFolder(plan, env({ HOME: "/home/me" }))!;
  assert.match(home, /^\/home\/me\/\.cache\/weir\/shop-[0-9a-f]{12}\/endpoints$/);
  assert.match(
    endpointCacheFolder(plan, env({ HOME: "/home/me", XDG_CACHE_HOME: "/c" }))!,
    /^\/c\/weir\/shop-/,
  );
  assert.notEqual(endpointCacheFolder({ ...plan, file: "/srv/other.yaml" }, env({ HOME: "/home/me" })), home);
  assert.equal(endpointCacheFolder(plan, env({ HOME: "me", XDG_CACHE_HOME: "." })), null);
  assert.equal(endpointCacheFolder({ ...plan, file: null }, env({ HOME: "/home/me" })), null);
  const governance = { cache: "/srv/shop/var" } as never;
  assert.equal(endpointCacheFolder({ ...plan, governance }, env({})), "/srv/shop/var/endpoints");
});

Deno.test("sourceKey() tells sources apart, and no secret", () => {
  const zookeeper = { connect: "127.0.0.1:2181", path: "/a", auth: "me:secret" };
  const one = { zookeeper } as unknown as DiscoverPlan;
  const other = { zookeeper: { ...zookeeper, path: "/b" } } as unknown as DiscoverPlan;
  assert.equal(sourceKey(one), sourceKey(structuredClone(one)));
  assert.notEqual(sourceKey(one), sourceKey(other));
  assert.equal(
    sourceKey(one),
    sourceKey({ zookeeper: { ...zookeeper, auth: "me:guess" } } as unknown as DiscoverPlan),
  );
  assert.match(sourceKey(one), /^zookeeper-[0-9a-f]{16}$/);
  assert.equal(sourceText(one), "zookeeper /a");
});

Deno.test("EndpointKeeper writes a burst of changes in few files, the last one included", () => {
  using rig = new Rig();
  const timers: Array<() => void> = [];
  const clock = {
    ...systemClock,
    after(_delayMs: number, callback: () => void) {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
  };
  let host!: WatchHost;
  const told: number[] = [];
  const keeper = new EndpointKeeper({
    watchEndpoints: (given) => {
      host = given;
      return { watch() {}, close: () => Promise.resolve() };
    },
    runtimeFolder: rig.runtimeFolder,
    cacheFolder: rig.cacheFolder,
    clock,
    log: rig.log,
    tell: ({ version }) => void told.push(version),
  });
  keeper.watch({ users: { discover } });
  for (let version = 1; version <= 100; version++) host.publish(key, setOf(version, [version]));
  assert.deepEqual(told, [1]);
  timers.shift()!();
  assert.deepEqual(told, [1, 100]);
  timers.shift()!();
  assert.deepEqual([told.length, timers.length], [2, 0]);
  assert.deepEqual(readEndpointFile(endpointFolder(rig.runtimeFolder), key)!.specs, [spec(100)]);
  // What was only kept, and what cannot be had, is no good copy.
  host.publish(key, setOf(101, [100], { error: "it burns" }));
  assert.deepEqual(readEndpointFile(rig.cacheFolder, key)!.state.error, "");
  const kept = Deno.readTextFileSync(`${rig.cacheFolder}/${key}.json`);
  timers.shift()!();
  host.publish(key, setOf(102, [7], { cached: true }));
  assert.equal(Deno.readTextFileSync(`${rig.cacheFolder}/${key}.json`), kept);
});
