/**
 * Endpoints from etcd v3: the keys below a prefix, read once and then watched; values as in node_endpoints.ts. Whatever
 * ends the watch (restart, compaction, another leader, an expired login) leads to a new round that begins with reading
 * everything, on the next server of the list. Between two changes the server is asked how many keys there are: that
 * finds connections that have died without a word, and anything that a watch may have missed.
 */
import type { Scope } from "../../core/scope.ts";
import { addressText, mostEndpoints } from "../../core/upstream/endpoint_feed_source.ts";
import { background, type Discovery, type DiscoveryHost } from "./discovery.ts";
import { EtcdGateway } from "./etcd_gateway.ts";
import { NodeEndpoints } from "./node_endpoints.ts";
import { NodePublisher } from "./node_publisher.ts";
import { RetryDelay } from "./retry_delay.ts";

/** How etcd is asked. */
export interface EtcdOptions {
  /** For one question. */
  timeoutMs?: number;
  /** Time between two questions whether all is well. */
  checkMs?: number;
}

/** `discover: { etcd: … }`. */
export function etcdDiscovery({ timeoutMs = 3000, checkMs = 5000 }: EtcdOptions = {}): Discovery {
  return {
    kind: "discovery",
    name: "etcd",
    make: (host, scope) => background(host, scope, follow(host, scope, { timeoutMs, checkMs })),
  };
}

/** Round after round until `scope` closes. */
async function follow(host: DiscoveryHost, scope: Scope, options: Required<EtcdOptions>): Promise<void> {
  const { endpoints } = host.plan.etcd!;
  const delay = new RetryDelay(host.clock);
  const closed = new AbortController();
  scope.defer(() => closed.abort());
  for (let turn = Math.floor(host.clock.random() * endpoints.length); !scope.closed; turn++) {
    // Ends with its round: what is still being asked then is over.
    const round = new AbortController();
    const end = () => round.abort();
    closed.signal.addEventListener("abort", end);
    try {
      const server = addressText(endpoints[turn % endpoints.length]!);
      const gateway = new EtcdGateway(server, round.signal, options.timeoutMs);
      await oneRound(host, gateway, round, options, () => delay.reset());
    } catch (error) {
      if (!scope.closed) host.fail(error);
    } finally {
      round.abort();
      closed.signal.removeEventListener("abort", end);
    }
    await delay.wait(closed.signal);
  }
}

async function oneRound(
  host: DiscoveryHost,
  gateway: EtcdGateway,
  round: AbortController,
  { checkMs }: Required<EtcdOptions>,
  onGood: () => void,
): Promise<void> {
  const { prefix, user, password } = host.plan.etcd!;
  if (user !== null) await gateway.logIn(user, password ?? "");
  const range = await gateway.range(prefix, mostEndpoints + 1);
  const nodes = new NodeEndpoints();
  for (const { key, value } of range.pairs) nodes.set(key, value);
  const publisher = new NodePublisher(host, nodes, `there is no key below ${prefix}`);
  publisher.changed();
  onGood();
  let mismatches = 0;
  let stopChecking = () => {};
  const silent = new Promise<never>((_, reject) => {
    const check = async () => {
      try {
        const { count } = await gateway.range(prefix, 0);
        // Once may be a change that is on its way.
        mismatches = count === nodes.size ? 0 : mismatches + 1;
        if (mismatches >= 2) {
          throw new Error(`${gateway.address} has ${count} keys, and ${nodes.size} were seen`);
        }
        if (!round.signal.aborted) stopChecking = host.clock.after(checkMs, check);
      } catch (error) {
        reject(error);
      }
    };
    stopChecking = host.clock.after(checkMs, check);
  });
  try {
    const watching = gateway.watch(prefix, range.revision + 1n, round.signal, (events) => {
      for (const { key, value } of events) {
        if (value === undefined) nodes.delete(key);
        else nodes.set(key, value);
      }
      publisher.changed();
    });
    await Promise.race([watching, silent]);
  } finally {
    round.abort();
    stopChecking();
    publisher.close();
  }
}
