/** Every source of endpoints there is, and how they are watched. This list is the only registration. */
import type { Discovery } from "./discovery.ts";
import { dnsDiscovery } from "./dns.ts";
import { etcdDiscovery } from "./etcd.ts";
import { fileDiscovery } from "./file.ts";
import { staticDiscovery } from "./static.ts";
import { watchEndpointsWith } from "./watch_endpoints.ts";
import { zookeeperDiscovery } from "./zookeeper.ts";

export type { Discovery, DiscoveryHost } from "./discovery.ts";

/** All sources. */
export const discoveries: readonly Discovery[] = [
  staticDiscovery,
  dnsDiscovery(),
  fileDiscovery,
  etcdDiscovery(),
  zookeeperDiscovery(),
];

/** See WatchEndpoints of core/upstream/endpoint_feed_source.ts. */
export const watchEndpoints = watchEndpointsWith(discoveries);
