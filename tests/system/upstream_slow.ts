/** One of four endpoints becomes slow and fast again: what p2c sends there meanwhile. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { Callers, outcomes, pause } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** Shares of all requests, 0..1; times in ms. */
export interface SlowFigures {
  /** Of the endpoint while all are fast. */
  shareBefore: number;
  /** In the half second that ends 2 s after it became slow. */
  shareSlow: number;
  /** From the moment it was fast again until its share was within ± 10 % of equal for a second; Infinity: never. */
  equalAfterMs: number;
  shareAfter: number;
  /** p99 of the callers from 2 s after it became slow until it was fast again. */
  slowP99: number;
  outcomes: Record<string, number>;
}

const windowMs = 1000;
const equal = 0.25;

/** Slows one endpoint by `delayMs` for `slowMs`, then waits for equal shares, `limitMs` at most. */
export async function slowEndpoint(
  options: { delayMs: number; slowMs: number; limitMs: number; clients: number },
): Promise<SlowFigures> {
  const { delayMs, slowMs, limitMs, clients } = options;
  await using backend = await Backend.start(somePorts(4));
  await using service = await UpstreamService.start({
    upstreams: { users: { discover: { static: backend.addresses }, balance: "p2c" } },
  });
  const victim = backend.ports[0]!;
  await using callers = new Callers({ port: service.port, clients, paths: bothWays("users"), pauseMs: 4 });
  let last = (await backend.counts()).map(({ requests }) => requests);
  const share = async () => {
    const now = (await backend.counts()).map(({ requests }) => requests);
    const added = now.map((count, i) => count - last[i]!);
    last = now;
    return added[0]! / added.reduce((sum, one) => sum + one, 0);
  };
  await pause(500);
  await share();
  await pause(1000);
  const shareBefore = await share();
  await backend.set({ delayMs }, victim);
  await pause(1500);
  await share();
  await pause(500);
  const shareSlow = await share();
  const from = callers.answers.length;
  await pause(Math.max(0, slowMs - 2000));
  const latencies = callers.answers.slice(from).map(({ ms }) => ms).sort((a, b) => a - b);
  await backend.set({ delayMs: 0 }, victim);
  const fastAt = performance.now();
  let shareAfter = 0, equalAfterMs = Infinity;
  await share();
  while (performance.now() - fastAt < limitMs) {
    await pause(windowMs);
    shareAfter = await share();
    if (Math.abs(shareAfter - equal) > equal * 0.1) continue;
    equalAfterMs = performance.now() - fastAt;
    break;
  }
  return {
    shareBefore,
    shareSlow,
    equalAfterMs,
    shareAfter,
    slowP99: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
    outcomes: outcomes(await callers.stop()),
  };
}
