/** How the brokers of a manifest are reached, as the client library takes it; the same for streams and listeners. */
import { readFile } from "node:fs/promises";
import type { Broker, SASLOptions } from "@platformatic/kafka";
import type { KafkaListenerPlan, StreamPlan } from "../../core/manifest/plan.ts";

type KafkaSinkPlan = NonNullable<StreamPlan["kafka"]>;

/** What both sides say of their brokers. */
export type BrokersPlan = Pick<KafkaSinkPlan & KafkaListenerPlan, "brokers" | "tls" | "sasl">;

/** What every client is made with. */
export interface ConnectionOptions {
  clientId: string;
  /** To begin with. */
  brokers: readonly Broker[];
  tls?: { ca?: string; cert?: string; key?: string };
  tlsServerName?: string;
  sasl?: SASLOptions;
}

/** Reads the files of `tls` now, so that a client made later has the later ones. Rejects where one cannot be read. */
export async function connectionOptions(plan: BrokersPlan, clientId: string): Promise<ConnectionOptions> {
  const { tls, sasl } = plan;
  const read = (path: string | null) => path === null ? null : readFile(path, "utf8");
  const [ca, cert, key] = tls ? await Promise.all([tls.ca, tls.cert, tls.key].map(read)) : [];
  return {
    clientId,
    brokers: brokersOf(plan),
    ...(tls ? { tls: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } } : {}),
    ...(tls?.serverName ? { tlsServerName: tls.serverName } : {}),
    ...(sasl
      ? {
        sasl: {
          mechanism: sasl.mechanism.toUpperCase() as SASLOptions["mechanism"],
          username: sasl.username,
          password: sasl.password,
        },
      }
      : {}),
  };
}

/** `host:port` of each. Throws as {@link connectionOptions} rejects. */
export function brokerNames(plan: Pick<BrokersPlan, "brokers">): string[] {
  return brokersOf(plan).map(({ host, port }) =>
    host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  );
}

/** Throws TypeError for a socket file, which Kafka does not have. */
function brokersOf({ brokers }: Pick<BrokersPlan, "brokers">): Broker[] {
  return brokers.map((broker) => {
    if (broker.transport !== "tcp") {
      throw new TypeError(`Cannot reach Kafka by ${broker.path}: it has no socket files`);
    }
    return { host: broker.hostname, port: broker.port };
  });
}
