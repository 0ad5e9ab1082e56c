/**
 * Clients that take their time, many at once, in a process of their own: each holds one connection and waits until the
 * server ends it. `deno run -A slow_clients.ts <options as JSON>` prints the {@link SlowReport} as JSON.
 */

/** What a slow client does. */
export const slowKinds = ["silent", "half a head", "slow head", "slow body", "half a body", "idle"] as const;

/** One of {@link slowKinds}. */
export type SlowKind = typeof slowKinds[number];

/** How many, against whom. */
export interface SlowOptions {
  port: number;
  /** Clients of each kind. */
  each: number;
  /** The limit that ends each kind, ms, for telling when to give up. */
  longestMs: number;
}

/** How long each lived, ms, from when its limit began to run; Infinity when it was still there at the end. */
export type SlowReport = Record<SlowKind, number[]>;

const head = "GET / HTTP/1.1\r\nhost: x\r\n";
const post = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";

/** What is sent first, and what then comes every second. */
const talks: Record<SlowKind, { first: string; drip: string }> = {
  silent: { first: "", drip: "" },
  "half a head": { first: head, drip: "" },
  "slow head": { first: `${head}x-slow: `, drip: "x" },
  "slow body": { first: post, drip: "x" },
  "half a body": { first: `${post}xxx`, drip: "" },
  idle: { first: `${head}\r\n`, drip: "" },
};

/** Opens all of them and resolves when the last one is gone. */
export async function slowClients({ port, each, longestMs }: SlowOptions): Promise<SlowReport> {
  const report = Object.fromEntries(slowKinds.map((kind) => [kind, []])) as unknown as SlowReport;
  const holding: Promise<void>[] = [];
  for (let i = 0; i < each; i++) {
    for (const kind of slowKinds) {
      holding.push(hold(port, kind, longestMs).then((ms) => void report[kind].push(ms)));
    }
    // Not all at once: this is about patience, not about a storm.
    if (i % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(holding);
  return report;
}

async function hold(port: number, kind: SlowKind, longestMs: number): Promise<number> {
  const { first, drip } = talks[kind];
  const encoder = new TextEncoder();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let since = performance.now();
  if (first !== "") await conn.write(encoder.encode(first));
  const dripping = drip === ""
    ? undefined
    : setInterval(() => conn.write(encoder.encode(drip)).catch(() => {}), 1000);
  let gaveUp = false;
  const giveUp = setTimeout(() => {
    gaveUp = true;
    conn.close();
  }, longestMs);
  const buffer = new Uint8Array(1024);
  try {
    // An idle client's time runs from its answer; others get at most a goodbye.
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) break;
      if (kind === "idle") since = performance.now();
    }
  } catch {
    // Reset: gone as well.
  }
  clearInterval(dripping);
  clearTimeout(giveUp);
  if (gaveUp) return Infinity;
  conn.close();
  return performance.now() - since;
}

if (import.meta.main) console.log(JSON.stringify(await slowClients(JSON.parse(Deno.args[0]!))));
