/** Requests that all want Redis at once: how many connections that takes. */
import { provision } from "../provision.ts";
import { connectionsTo, portRange } from "./upstream_backend.ts";
import { type Answer, outcomes, UpstreamClient } from "./upstream_callers.ts";
import { UpstreamService } from "./upstream_service.ts";

/** What was seen. */
export interface RedisFigures {
  workers: number;
  concurrent: number;
  /** By `CLIENT LIST`, while all requests waited for Redis; the one that asks is not counted. */
  connections: number;
  /** The same by the kernel. */
  established: number;
  /** The number that was counted up, by one for each request. */
  counted: number;
  outcomes: Record<string, number>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `concurrent` requests while Redis holds back its answers for `pauseMs`. */
export async function redisConnections(
  options: { concurrent: number; pauseMs: number },
): Promise<RedisFigures> {
  const { concurrent, pauseMs } = options;
  await using redis = await provision("redis", { range: portRange });
  const [port] = redis.ports as [number];
  await using service = await UpstreamService.start({
    listener: { admit: { concurrency: concurrent, queue: concurrent, wait: "5s" } },
    upstreams: {
      cache: {
        protocol: "redis",
        discover: { static: [`127.0.0.1:${port}`] },
        timeouts: { attempt: "5s", total: "5s" },
      },
    },
  });
  const clients = Array.from({ length: concurrent }, () => new UpstreamClient(service.port));
  for (const client of clients) await client.connect();
  using own = await Deno.connect({ hostname: "127.0.0.1", port });
  // Clients wait with their commands, this one's are answered: CLIENT LIST is no write.
  await say(own, `CLIENT PAUSE ${pauseMs} WRITE`);
  const asked: Promise<Answer>[] = clients.map((client) => client.ask("/redis"));
  const all = Promise.all(asked);
  let connections = 0, established = 0;
  const until = performance.now() + pauseMs * 0.8;
  while (performance.now() < until) {
    const list = await say(own, "CLIENT LIST TYPE normal");
    connections = Math.max(connections, list.split("\n").filter((line) => line.startsWith("id=")).length - 1);
    established = Math.max(established, await connectionsTo(port) - 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const answers = await all;
  const counted = Number((await say(own, "GET n")).split("\r\n")[1]);
  for (const client of clients) client.close();
  return { workers: 2, concurrent, connections, established, counted, outcomes: outcomes(answers) };
}

/** One command, and its reply as it came. */
async function say(conn: Deno.Conn, command: string): Promise<string> {
  await conn.write(encoder.encode(`${command}\r\n`));
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("Redis closed the connection");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const [, length] = /^\$(\d+)\r\n/.exec(text) ?? [];
    const end = length === undefined
      ? text.indexOf("\r\n") + 2
      : `$${length}\r\n`.length + Number(length) + 2;
    if (text.length >= end && end > 1) return text;
  }
}
