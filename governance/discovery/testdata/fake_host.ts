/** A host that remembers what a source tells it. */
import { type Clock, systemClock } from "../../../core/clock.ts";
import type { EndpointSpec } from "../../../core/endpoint.ts";
import type { DiscoverPlan } from "../../../core/upstream/endpoint_feed_source.ts";
import { Scope } from "../../../core/scope.ts";
import type { Discovery, DiscoveryHost } from "../discovery.ts";
import { memoryLog } from "./watched.ts";

/** One source under test, without a stabilizer. */
export class FakeHost implements DiscoveryHost, AsyncDisposable {
  readonly upstream = "users";
  readonly plan: DiscoverPlan;
  readonly clock: Clock;
  readonly lines: string[] = [];
  readonly log = memoryLog(this.lines);
  readonly scope = new Scope("test");
  /** The last answer, and all of them. */
  specs: readonly EndpointSpec[] = [];
  problem = "";
  failure = "";
  published = 0;
  failed = 0;
  readonly #waiting = new Set<() => void>();

  constructor(discovery: Discovery, plan: DiscoverPlan, clock: Clock = systemClock) {
    this.plan = plan;
    this.clock = clock;
    discovery.make(this, this.scope);
  }

  get addresses(): string[] {
    return this.specs.map(({ address }) => address).sort();
  }

  publish(specs: readonly EndpointSpec[], problem = ""): void {
    this.specs = specs;
    this.problem = problem;
    this.failure = "";
    this.published++;
    this.#look();
  }

  fail(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error);
    this.failed++;
    this.#look();
  }

  /** Resolves as soon as `good` holds; looks whenever the source says something. */
  until(what: string, good: (host: this) => boolean, limitMs = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = () => {
        if (!good(this)) return;
        end();
        resolve();
      };
      const timer = setTimeout(() => {
        end();
        const { addresses, problem, failure } = this;
        reject(new Error(`Not ${what} within ${limitMs} ms: ${JSON.stringify({ addresses, problem, failure })}`));
      }, limitMs);
      this.#waiting.add(look);
      look();
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope.close();
  }
}
