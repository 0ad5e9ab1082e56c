/** A bare session of this project, without caller, pool and policies, under the load of redis_loop.mjs. */
import process from "node:process";
import { systemClock } from "../../core/clock.ts";
import { Endpoint } from "../../core/endpoint.ts";
import { compile } from "../../core/manifest/mod.ts";
import type { Attempt } from "../../core/upstream/contract.ts";
import { commandOf } from "../../protocols/redis/commands.ts";
import { type RedisReply, type RedisRequest, redisUpstream } from "../../protocols/redis/mod.ts";
import { measure } from "./redis_loop.mjs";

const { port, ...load } = JSON.parse(process.argv[2]);
const address = `127.0.0.1:${port}`;
const { plan } = compile({
  service: "bench",
  listeners: { web: { protocol: "http", listen: "127.0.0.1:0", routes: [{ respond: { body: "x" } }] } },
  upstreams: { cache: { protocol: "redis", discover: { static: [address] } } },
});
const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
const conn = await Deno.connect({ hostname: "127.0.0.1", port });
conn.setNoDelay(true);
const session = await redisUpstream.connect(conn, {
  upstream: "cache",
  endpoint: new Endpoint(0, { address, weight: 1, role: null, priority: 0 }),
  plan: plan!.upstreams.cache,
  clock: systemClock,
  log,
  tls: false,
  alpn: "",
  changed() {},
});

class Try implements Attempt<RedisRequest, RedisReply> {
  readonly timeoutAt = Infinity;
  sent = false;
  constructor(
    readonly request: RedisRequest,
    readonly succeed: (reply: RedisReply) => void,
    readonly fail: (error: Error) => void,
  ) {}
  release(): void {}
}

function command(name: string, ...args: string[]): Promise<RedisReply> {
  const request = { command: commandOf(name), args, bytes: false, steps: undefined };
  return new Promise((resolve, reject) => session.start(new Try(request, resolve, reject)));
}

const client = {
  set: (key: string, value: string) => command("SET", key, value),
  get: (key: string) => command("GET", key),
};
console.log(JSON.stringify(await measure(client, load)));
Deno.exit(0);
