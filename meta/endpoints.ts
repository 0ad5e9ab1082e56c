/** The table of endpoints, in the order in which the index and the navigation show them. Everything else derives from it. */

import type { Endpoint } from "./endpoint.ts";
import { drain, reload, restartWorker } from "./pages/commands.ts";
import { config } from "./pages/config.ts";
import { connections } from "./pages/connections.ts";
import { index } from "./pages/index_page.ts";
import { inflight } from "./pages/inflight.ts";
import { listener } from "./pages/listener.ts";
import { listeners } from "./pages/listeners.ts";
import { logLevel, logReopen, logs } from "./pages/logs.ts";
import { loops } from "./pages/loops.ts";
import { metrics } from "./pages/metrics.ts";
import { pools } from "./pages/pools.ts";
import { healthz, livez, readyz } from "./pages/probes.ts";
import { series } from "./pages/series.ts";
import { stacks } from "./pages/stacks.ts";
import { status } from "./pages/status.ts";
import { streams } from "./pages/streams.ts";
import { upstreamCommands } from "./pages/upstream_commands.ts";
import { upstream } from "./pages/upstream.ts";
import { upstreams } from "./pages/upstreams.ts";
import { version } from "./pages/version.ts";
import { workers } from "./pages/workers.ts";

/** All endpoints. */
export const endpoints: readonly Endpoint[] = [
  index(() => endpoints),
  status,
  workers,
  listeners,
  listener,
  upstreams,
  upstream,
  connections,
  inflight,
  pools,
  loops,
  streams,
  stacks,
  logs,
  series,
  metrics,
  config,
  version,
  livez,
  healthz,
  readyz,
  reload,
  drain,
  restartWorker,
  logLevel,
  logReopen,
  ...upstreamCommands,
];
