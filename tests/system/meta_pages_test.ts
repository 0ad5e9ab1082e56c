import assert from "node:assert/strict";
import { endpoints } from "../../meta/endpoints.ts";
import { bestOf } from "./best_of.ts";
import { freePort } from "./free_port.ts";
import { Client } from "./http_load.ts";
import { handlers, WeirProcess } from "./weir_process.ts";

Deno.test("every meta page is answered within 200 ms while every worker spins", async () => {
  const port = freePort();
  const metaPort = freePort();
  await using weir = await WeirProcess.start({
    manifest: {
      service: "spin",
      workers: { count: 2, hang: "60s", drain: "1s" },
      meta: { listen: `127.0.0.1:${metaPort}` },
      listeners: {
        api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, deadline: "60s" },
      },
      // Pages of one upstream are asked for by the listener's name.
      upstreams: { api: { protocol: "http", discover: { static: [`127.0.0.1:${port}`] }, breaker: {} } },
    },
  });
  const spinning = await spinAll(port, (await weir.workers()).map(({ pid }) => String(pid)));
  await weir.until(
    "all spin",
    async () =>
      (await (await fetch(`http://127.0.0.1:${metaPort}/inflight`)).text()).match(/GET \/spin/g)?.length ===
        2,
  );
  const pages = endpoints.filter(({ method }) => method === "GET").map(({ path }) =>
    path.replace(":name", "api")
  );
  assert.ok(pages.length >= 13, `pages: ${pages}`);
  for (const path of pages) {
    for (const format of ["text", "json", "html"]) {
      await bestOf(3, async () => {
        const begin = performance.now();
        const accept = { text: "*/*", json: "application/json", html: "text/html" }[format]!;
        const response = await fetch(`http://127.0.0.1:${metaPort}${path}`, { headers: { accept } });
        const text = await response.text();
        const ms = performance.now() - begin;
        assert.ok(response.status === 200 || path === "/readyz", `${path}: ${response.status} ${text}`);
        // Stacks are waited for, for 300 ms at most, where a process gets no turn to show its own.
        assert.ok(ms <= (path === "/stacks" ? 400 : 200), `${path} as ${format} took ${ms} ms`);
      });
    }
  }
  const inflight = await (await fetch(`http://127.0.0.1:${metaPort}/inflight`)).text();
  assert.equal(inflight.match(/GET \/spin/g)?.length, 2, inflight);
  const stacks = await (await fetch(`http://127.0.0.1:${metaPort}/stacks`)).text();
  assert.equal(stacks.match(/spin .*handlers\.ts/g)?.length ?? 0, 2, stacks);
  weir.signal("SIGTERM");
  await weir.until("it drains", () => weir.records("the service drains").length > 0);
  weir.signal("SIGINT");
  assert.equal((await weir.ended()).code, 4, "what spun was cut off");
  await Promise.all(spinning);
});

/** Makes every process of `pids` spin; resolves with the requests, which end with the processes. */
async function spinAll(port: number, pids: string[]): Promise<Promise<unknown>[]> {
  // A connection to each first: who spins answers nobody any more.
  const clients = new Map<string, Client>();
  while (clients.size < pids.length) {
    const client = new Client({ port, keepAlive: 1, short: 0 }, true);
    await client.ask();
    if (clients.has(client.worker)) client.close();
    else clients.set(client.worker, client);
  }
  assert.deepEqual([...clients.keys()].sort(), pids.toSorted());
  return [...clients.values()].map((client) => {
    const spinner = new Client({ port, keepAlive: 1, short: 0, path: "/spin" }, true);
    spinner.takeOver(client);
    return spinner.ask().catch(() => spinner.close());
  });
}
