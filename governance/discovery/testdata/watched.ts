/** Both ends of discovery in one process, for tests: a keeper with one source, and the feed of a worker. */
import { systemClock } from "../../../core/clock.ts";
import type { Log } from "../../../core/context.ts";
import type { EndpointSourceState, EndpointSpec } from "../../../core/endpoint.ts";
import { createEndpointFeed, type WorkerEndpointFeed } from "../../../core/upstream/endpoint_feed.ts";
import { applyChange } from "../../../core/upstream/testdata/apply_change.ts";
import type { DiscoverPlan } from "../../../core/upstream/endpoint_feed_source.ts";
import { EndpointKeeper } from "../../../core/upstream/endpoint_file_keeper.ts";
import type { Discovery } from "../discovery.ts";
import { watchEndpointsWith } from "../watch_endpoints.ts";

/** A log that keeps its lines. */
export function memoryLog(lines: string[]): Log {
  const write = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => log,
  };
  return log;
}

/** What a worker sees of one upstream, `users`. */
export class Watched implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly specs = new Map<string, EndpointSpec>();
  readonly folder: string;
  readonly feed: WorkerEndpointFeed;
  state!: EndpointSourceState;
  readonly #keeper: EndpointKeeper;
  readonly #waiting = new Set<() => void>();

  /** `folder` of an earlier one: what that kept on disk is there. */
  constructor(discovery: Discovery, discover: DiscoverPlan, folder = Deno.makeTempDirSync({ prefix: "weir-watched-" })) {
    this.folder = folder;
    const plan = { upstreams: { users: { discover } } };
    const folders = { runtimeFolder: `${folder}/runtime`, cacheFolder: `${folder}/cache` };
    const shared = { ...folders, clock: systemClock, log: memoryLog(this.lines) };
    this.feed = createEndpointFeed({ ...shared, plan });
    this.feed.watch("users", (change, state) => {
      applyChange(this.specs, change);
      this.state = state;
      for (const look of [...this.#waiting]) look();
    });
    this.#keeper = new EndpointKeeper({
      ...shared,
      watchEndpoints: watchEndpointsWith([discovery]),
      tell: (message) => this.feed.heard({ ...message }),
    });
    this.#keeper.watch(plan.upstreams);
  }

  /** Addresses, sorted. */
  get addresses(): string[] {
    return [...this.specs.values()].map(({ address }) => address).sort();
  }

  /** Resolves with the ms it took until `good` holds; rejects after `limitMs`. */
  until(what: string, good: (watched: this) => boolean, limitMs = 15_000): Promise<number> {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = () => {
        if (!good(this)) return;
        end();
        resolve(performance.now() - startedAt);
      };
      const timer = setTimeout(() => {
        end();
        const seen = JSON.stringify({ addresses: this.addresses.slice(0, 10), state: this.state });
        reject(new Error(`Not ${what} within ${limitMs} ms: ${seen}\n${this.lines.slice(-10).join("\n")}`));
      }, limitMs);
      this.#waiting.add(look);
      look();
    });
  }

  untilAddresses(...addresses: string[]): Promise<number> {
    const wanted = addresses.sort().join();
    return this.until(wanted, () => this.addresses.join() === wanted);
  }

  /** Ends both; the folder stays for the next one. */
  async close(): Promise<void> {
    await this.#keeper.close();
    await this.feed.close();
    Deno.removeSync(`${this.folder}/runtime`, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.close();
    await this.feed.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}
