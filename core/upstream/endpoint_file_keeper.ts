/**
 * The governor's side of endpoints: watches all sources of the host once, writes what they say to files and has every
 * worker told. The last good sets are kept on disk, too. It decides nothing: which answers count is the watcher's
 * business. Without it, workers go on with what they have.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { EndpointsMessage } from "../control.ts";
import {
  type DiscoverPlan,
  type EndpointSet,
  isWatched,
  sourceKey,
  type WatchedSources,
  type WatchEndpoints,
} from "./endpoint_feed_source.ts";
import {
  endpointFolder,
  makeOwnFolder,
  readEndpointFile,
  removeOldEndpointFiles,
  writeEndpointFile,
} from "./endpoint_file.ts";

/** Shortest time between two files of one source, and what each endpoint adds: workers read all of them. */
const gapMs = 100;
const gapMsPerEndpoint = 0.04;
/** A file that could not be written is tried again. */
const retryMs = 1000;
/** Last good sets of sources that no manifest names any more. */
const forgetMs = 30 * 24 * 3600 * 1000;

/** Options of {@link EndpointKeeper}. */
export interface EndpointKeeperOptions {
  watchEndpoints: WatchEndpoints;
  runtimeFolder: string;
  /** Null: nothing is kept on disk. */
  cacheFolder: string | null;
  clock: Clock;
  log: Log;
  /** To the supervisor, which relays it to all workers. */
  tell(message: EndpointsMessage): void;
}

type Upstreams = Readonly<Record<string, { readonly discover: DiscoverPlan }>>;

/** Watches, writes, tells. */
export class EndpointKeeper {
  readonly #options: EndpointKeeperOptions;
  readonly #folder: string;
  #cacheFolder: string | null;
  readonly #sources: WatchedSources;
  /** Sets that are not written yet, by source. */
  readonly #pending = new Map<string, EndpointSet>();
  /** Sources that were written just now, and how their gap is cancelled. */
  readonly #resting = new Map<string, () => void>();
  /** What the last good copy of a source holds. */
  readonly #kept = new Map<string, EndpointSet["specs"]>();
  #complained = false;
  #closed = false;

  /** Throws where the runtime folder cannot be used. */
  constructor(options: EndpointKeeperOptions) {
    this.#options = options;
    this.#folder = endpointFolder(options.runtimeFolder);
    makeOwnFolder(this.#folder);
    this.#cacheFolder = options.cacheFolder;
    try {
      if (this.#cacheFolder !== null) makeOwnFolder(this.#cacheFolder);
    } catch (error) {
      options.log.warn("no last good copy of endpoints is kept on disk", { error });
      this.#cacheFolder = null;
    }
    this.#sources = options.watchEndpoints({
      clock: options.clock,
      log: options.log,
      known: (key) => this.#known(key),
      publish: (key, set) => this.#publish(key, set),
    });
  }

  /** Watches what these upstreams need; where a name comes twice with other sources, both. */
  watch(...sets: readonly Upstreams[]): void {
    const all: Record<string, { discover: DiscoverPlan }> = {};
    const keys = new Set<string>();
    sets.forEach((upstreams, index) => {
      for (const [name, { discover }] of Object.entries(upstreams)) {
        if (!isWatched(discover)) continue;
        all[index === 0 ? name : `${name} (generation +${index})`] = { discover };
        keys.add(sourceKey(discover));
      }
    });
    this.#sources.watch(all);
    if (this.#cacheFolder === null) return;
    try {
      removeOldEndpointFiles(this.#cacheFolder, keys, this.#options.clock.epoch(), forgetMs);
    } catch (error) {
      this.#options.log.warn("cannot remove old copies of endpoints", { error });
    }
  }

  /** Writes what is not written yet and stops watching. */
  async close(): Promise<void> {
    await this.#sources.close();
    this.#closed = true;
    for (const cancel of this.#resting.values()) cancel();
    this.#resting.clear();
    for (const key of [...this.#pending.keys()]) this.#write(key);
  }

  #known(key: string): EndpointSet | undefined {
    const current = this.#read(this.#folder, key);
    if (this.#cacheFolder === null) return current;
    const kept = this.#read(this.#cacheFolder, key);
    if (kept) this.#kept.set(key, kept.specs);
    return current ?? (kept && { ...kept, state: { ...kept.state, error: "", cached: true } });
  }

  #read(folder: string, key: string): EndpointSet | undefined {
    try {
      return readEndpointFile(folder, key);
    } catch (error) {
      this.#options.log.warn("cannot use a file of endpoints", { error });
    }
  }

  #publish(key: string, set: EndpointSet): void {
    this.#pending.set(key, set);
    if (!this.#resting.has(key)) this.#write(key);
  }

  #write(key: string): void {
    const set = this.#pending.get(key);
    if (set === undefined) return;
    const { clock, log, tell } = this.#options;
    let restMs = gapMs + gapMsPerEndpoint * set.specs.length;
    try {
      writeEndpointFile(this.#folder, key, set);
      this.#pending.delete(key);
      this.#complained = false;
      tell({ type: "endpoints", source: key, version: set.version });
      this.#keep(key, set);
    } catch (error) {
      restMs = retryMs;
      if (!this.#complained) log.error("cannot write a file of endpoints", { error });
      this.#complained = true;
    }
    if (this.#closed) return;
    this.#resting.set(
      key,
      clock.after(restMs, () => {
        this.#resting.delete(key);
        this.#write(key);
      }),
    );
  }

  /** The last good copy; only where the endpoints differ from it. */
  #keep(key: string, set: EndpointSet): void {
    if (this.#cacheFolder === null || set.specs.length === 0 || set.state.cached) return;
    if (this.#kept.get(key) === set.specs) return;
    try {
      writeEndpointFile(this.#cacheFolder, key, { ...set, state: { ...set.state, error: "" } }, true);
      this.#kept.set(key, set.specs);
    } catch (error) {
      this.#options.log.warn("cannot keep a copy of endpoints on disk", { error });
    }
  }
}
