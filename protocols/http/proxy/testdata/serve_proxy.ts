/** A worker in the test's own process whose only route is a proxy. */
import { serve } from "../../../../core/worker/testdata/serve.ts";
import { freePorts } from "../../../../tests/provision.ts";

/** What can be asked of {@link serveProxy}. */
export interface ProxyKeys {
  /** Keys of the route, beside its upstream. */
  route?: Record<string, unknown>;
  /** Keys of the listener. */
  listener?: Record<string, unknown>;
  /** Keys of the upstream. */
  upstream?: Record<string, unknown>;
}

/** Serves on a free port what comes from `endpoints` (`127.0.0.1:port`). */
export function serveProxy(endpoints: readonly string[], keys: ProxyKeys = {}): ReturnType<typeof serve> {
  const [port] = freePorts(1, { from: 21_600, to: 22_399 });
  const listener = {
    handler: undefined,
    listen: `127.0.0.1:${port}`,
    routes: [{ upstream: "users", ...keys.route }],
    ...keys.listener,
  };
  const users = { protocol: "http", discover: { static: [...endpoints] }, ...keys.upstream };
  return serve(listener, "", { upstreams: { users } });
}
