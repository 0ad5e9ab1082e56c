/** One of the two known clients under the load of redis_loop.mjs; on Deno and Node alike. */
import { createRequire } from "node:module";
import process from "node:process";
import { measure } from "./redis_loop.mjs";

const { client, port, folder, ...load } = JSON.parse(process.argv[2]);
const require = createRequire(`${folder}/package.json`);

const clients = {
  ioredis() {
    const { Redis } = require("ioredis");
    const redis = new Redis({ host: "127.0.0.1", port, enableAutoPipelining: true });
    return { set: (key, value) => redis.set(key, value), get: (key) => redis.get(key) };
  },
  async nodeRedis() {
    const redis = require("@redis/client").createClient({ socket: { host: "127.0.0.1", port } });
    await redis.connect();
    return { set: (key, value) => redis.set(key, value), get: (key) => redis.get(key) };
  },
};

console.log(JSON.stringify(await measure(await clients[client](), load)));
process.exit(0);
