/**
 * GET, PUT and DELETE of a value under a key. Values are bytes, whatever they are; `?ttl=` gives their time to live in
 * seconds. What Redis cannot be asked for is answered by the runtime: 503 without a connection, 504 when it takes too long.
 */
import type { Context } from "../../mod.ts";

const defaultTtlSeconds = 300;
const longestTtlSeconds = 7 * 24 * 3600;
const longestKey = 200;

export default async function cache(request: Request, ctx: Context): Promise<Response> {
  const url = new URL(request.url);
  const key = url.pathname.slice("/values/".length);
  if (key === "" || key.length > longestKey) return new Response("no such key\n", { status: 400 });
  const redis = ctx.upstream("cache");
  switch (request.method) {
    case "PUT": {
      const ttl = Number(url.searchParams.get("ttl") ?? defaultTtlSeconds);
      if (!Number.isInteger(ttl) || ttl < 1 || ttl > longestTtlSeconds) {
        return new Response(`ttl must be from 1 to ${longestTtlSeconds} seconds\n`, { status: 400 });
      }
      await redis.command("SET", `value:${key}`, await request.bytes(), "EX", ttl);
      return new Response(null, { status: 204 });
    }
    case "DELETE": {
      const count = await redis.command<number>("DEL", `value:${key}`);
      return new Response(null, { status: count === 0 ? 404 : 204 });
    }
    default: {
      const value = await redis.commandBytes<Uint8Array<ArrayBuffer> | null>("GET", `value:${key}`);
      if (value === null) return new Response("not found\n", { status: 404 });
      return new Response(value, { headers: { "content-type": "application/octet-stream" } });
    }
  }
}
