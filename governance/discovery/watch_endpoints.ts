/**
 * Watches the sources that upstreams name: one of each, however many upstreams ask for the same, and one stabilizer each.
 * A source that goes on being needed is not touched when the list of upstreams changes.
 */
import { Scope } from "../../core/scope.ts";
import {
  type DiscoverPlan,
  isWatched,
  sourceKey,
  sourceText,
  type WatchedSources,
  type WatchHost,
} from "../../core/upstream/endpoint_feed_source.ts";
import type { Discovery } from "./discovery.ts";
import { Stabilizer } from "./stabilizer.ts";

/** A WatchEndpoints over these kinds of sources. */
export function watchEndpointsWith(
  discoveries: readonly Discovery[],
): (host: WatchHost) => WatchedSources {
  return (host) => {
    const scope = new Scope("discovery");
    const running = new Map<string, Scope>();
    return {
      watch(upstreams) {
        const wanted = new Map<string, { upstream: string; discover: DiscoverPlan }>();
        for (const [upstream, { discover }] of Object.entries(upstreams)) {
          const key = sourceKey(discover);
          if (isWatched(discover) && !wanted.has(key)) wanted.set(key, { upstream, discover });
        }
        for (const [key, one] of running) {
          if (wanted.has(key)) continue;
          running.delete(key);
          end(one, host);
        }
        for (const [key, { upstream, discover }] of wanted) {
          if (running.has(key)) continue;
          const child = new Scope(key);
          running.set(key, child);
          begin(key, upstream, discover, child);
        }
      },
      async close() {
        scope.defer(() => Promise.all([...running.values()].map((one) => end(one, host))).then(() => {}));
        await scope.close();
      },
    };

    function begin(key: string, upstream: string, plan: DiscoverPlan, scope: Scope): void {
      const log = host.log.child(upstream);
      const stabilizer = new Stabilizer({
        source: sourceText(plan),
        clock: host.clock,
        log,
        known: host.known(key),
        onChange: (set) => host.publish(key, set),
      });
      const discovery = discoveries.find(({ name }) => plan[name] !== undefined);
      if (discovery === undefined) return stabilizer.fail(`there is no source ${Object.keys(plan)[0]}`);
      // What a source still says after its end is nobody's business.
      discovery.make({
        upstream,
        plan,
        clock: host.clock,
        log,
        publish: (specs, problem) => scope.closed || stabilizer.take(specs, problem),
        fail: (error) => scope.closed || stabilizer.fail(error),
      }, scope);
    }
  };
}

function end(scope: Scope, host: WatchHost): Promise<void> {
  return scope.close().catch((error) => host.log.warn("a source of endpoints did not end well", { error }));
}
