/** What every client of ours takes from the library: connections to brokers, and its codecs in the versions that both sides know. */
import * as kafka from "@platformatic/kafka";
import type { ConnectionOptions } from "./connection_options.ts";

/** The codec of one request in one version, which sends it and reads its answer. */
export interface Api {
  readonly version: number;
  // deno-lint-ignore no-explicit-any
  async(connection: kafka.Connection, ...values: any[]): Promise<any>;
}

/** Connections that are made when they are asked for. Times in ms: to connect, and of silence after a request. */
export function brokerPool(
  { clientId, brokers: _, ...options }: ConnectionOptions,
  limits: { connectTimeout: number; requestTimeout: number },
): kafka.ConnectionPool {
  const pool = new kafka.ConnectionPool(clientId, { ...options, ...limits });
  // An error event that nobody hears would end the process.
  pool.on("connecting", ({ connection }) => connection.on("error", () => {}));
  return pool;
}

/** Asks a broker, by `ask`, for the newest version of each request that it and the library know. */
export async function negotiateApis(
  // deno-lint-ignore no-explicit-any
  ask: (api: Api, ...values: unknown[]) => Promise<any>,
): Promise<Map<string, Api>> {
  const { apiKeys } = await ask(kafka.apiVersionsV3.api as unknown as Api, "weir", "1");
  const apis = new Map<string, Api>();
  for (const { name, minVersion, maxVersion } of apiKeys) {
    for (let version = maxVersion; version >= minVersion && !apis.has(name); version--) {
      const module = `${name.slice(0, 1).toLowerCase()}${name.slice(1)}V${version}`;
      const found = (kafka as unknown as Record<string, { api: Api } | undefined>)[module];
      if (found) apis.set(name, found.api);
    }
  }
  return apis;
}
