/**
 * The endpoints of a worker's upstreams as they come and go. Static ones stand in the plan; the others in files that the
 * governor writes, read at start and when it says so. Before it has said anything, the last good copy on disk counts.
 * Without a governor (one process for all) this process watches by itself. It judges nothing: what it gets is good.
 */
import type { ChannelMessage } from "../channel.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { EndpointChange, EndpointFeed, EndpointSourceState } from "../endpoint.ts";
import { diffEndpoints, type EndpointMap, isNoChange } from "./endpoint_feed_diff.ts";
import {
  type DiscoverPlan,
  type EndpointSet,
  isWatched,
  sourceKey,
  sourceText,
  staticSpecs,
  type WatchEndpoints,
} from "./endpoint_feed_source.ts";
import { endpointFolder, readEndpointFile } from "./endpoint_file.ts";

type OnChange = (change: EndpointChange, state: EndpointSourceState) => void;

/** Options of {@link createEndpointFeed}. */
export interface EndpointFeedOptions {
  plan: { readonly upstreams: Readonly<Record<string, { readonly discover: DiscoverPlan }>> };
  /** Folder of the service at run time; null where there is none: then nobody but `watchEndpoints` knows anything. */
  runtimeFolder: string | null;
  /** See endpointCacheFolder(); null where there is none. */
  cacheFolder: string | null;
  clock: Clock;
  log: Log;
  /** Watches in this process; only where there is no governor. */
  watchEndpoints?: WatchEndpoints | undefined;
}

/** A feed with an end, which hears what the supervisor relays. */
export interface WorkerEndpointFeed extends EndpointFeed {
  /** Takes an `endpoints` message; others are ignored. */
  heard(message: ChannelMessage): void;
  close(): Promise<void>;
}

/** One source and who listens to it. */
interface Source {
  readonly key: string;
  version: number;
  state: EndpointSourceState;
  current: EndpointMap;
  readonly listeners: Set<OnChange>;
}

/** Knows all upstreams of the plan at once; nothing of it waits for the network. */
export function createEndpointFeed(options: EndpointFeedOptions): WorkerEndpointFeed {
  const { plan, runtimeFolder, cacheFolder, clock, log } = options;
  const folder = runtimeFolder === null ? null : endpointFolder(runtimeFolder);
  const sources = new Map<string, Source>();
  const byUpstream = new Map<string, Source>();
  for (const [name, { discover }] of Object.entries(plan.upstreams)) {
    const key = sourceKey(discover);
    const known = sources.get(key);
    const source = known ?? makeSource(key, discover);
    byUpstream.set(name, source);
    if (known) continue;
    sources.set(key, source);
    const set = isWatched(discover) ? firstSet(key) : staticSet(discover, clock);
    if (set) take(source, set, log);
  }
  const watched = options.watchEndpoints?.({
    clock,
    log,
    known: (key) => cacheFolder === null ? undefined : cachedSet(key),
    publish: (key, set) => {
      const source = sources.get(key);
      if (source) take(source, set, log);
    },
  });
  watched?.watch(plan.upstreams);

  function firstSet(key: string): EndpointSet | undefined {
    return (folder === null ? undefined : read(folder, key, log)) ?? cachedSet(key);
  }

  function cachedSet(key: string): EndpointSet | undefined {
    const set = cacheFolder === null ? undefined : read(cacheFolder, key, log);
    return set && { ...set, state: { ...set.state, cached: true } };
  }

  return {
    watch(upstream, onChange) {
      const source = byUpstream.get(upstream);
      if (source === undefined) throw new TypeError(`There is no upstream "${upstream}"`);
      source.listeners.add(onChange);
      onChange({ added: [...source.current.values()], removed: [], changed: [] }, source.state);
      return () => void source.listeners.delete(onChange);
    },
    heard(message) {
      if (message.type !== "endpoints" || folder === null) return;
      const source = sources.get(String(message.source));
      if (source === undefined || source.version === message.version) return;
      const set = read(folder, source.key, log);
      if (set) take(source, set, log);
    },
    async close() {
      for (const source of sources.values()) source.listeners.clear();
      await watched?.close();
    },
  };
}

function makeSource(key: string, discover: DiscoverPlan): Source {
  const state = { source: sourceText(discover), updatedAt: 0, error: "", cached: false };
  return { key, version: 0, state, current: new Map(), listeners: new Set() };
}

function staticSet(discover: DiscoverPlan, clock: Clock): EndpointSet {
  const state = { source: sourceText(discover), updatedAt: clock.epoch(), error: "", cached: false };
  return { version: 1, state, specs: staticSpecs(discover) };
}

function take(source: Source, set: EndpointSet, log: Log): void {
  const before = source.state;
  const { change, after } = diffEndpoints(source.current, set.specs);
  source.version = set.version;
  source.state = set.state;
  source.current = after;
  if (isNoChange(change) && sameState(before, set.state)) return;
  for (const listener of source.listeners) {
    try {
      listener(change, set.state);
    } catch (error) {
      log.error("endpoints not taken", { source: set.state.source, error });
    }
  }
}

function sameState(a: EndpointSourceState, b: EndpointSourceState): boolean {
  return a.error === b.error && a.cached === b.cached && a.updatedAt === b.updatedAt;
}

function read(folder: string, key: string, log: Log): EndpointSet | undefined {
  try {
    return readEndpointFile(folder, key);
  } catch (error) {
    log.warn("cannot use a file of endpoints", { error });
  }
}
