/** Retry amplification: an upstream that fails every attempt, and how many attempts that makes of the calls. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { Callers, outcomes, pause } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** What was seen, over all workers. */
export interface RetryFigures {
  /** What every attempt met. */
  fault: "status 503" | "connection refused";
  seconds: number;
  calls: number;
  attempts: number;
  /** 1.2 × calls + 10 for each second (of the clock) that was begun. */
  allowed: number;
  outcomes: Record<string, number>;
}

/** Retries that a call could make were there no budget: 4. Health and breakers stay out of it. */
const keys = {
  health: { eject: false },
  retry: { attempts: 5, on: ["refused", 503], backoff: "1ms" },
};

/** Calls by route and handler, `seconds` long for each fault, `clients` at once. */
export async function retries(options: { seconds: number; clients: number }): Promise<RetryFigures[]> {
  const { seconds, clients } = options;
  const [badPort, nobody] = somePorts(2) as [number, number];
  await using backend = await Backend.start([badPort]);
  await backend.set({ status: 503 });
  await using service = await UpstreamService.start({
    upstreams: {
      bad: { discover: { static: backend.addresses }, ...keys },
      gone: { discover: { static: [`127.0.0.1:${nobody}`] }, ...keys },
    },
  });
  const figures: RetryFigures[] = [];
  for (const upstream of ["bad", "gone"]) {
    const begin = Date.now();
    const callers = new Callers({ port: service.port, clients, paths: bothWays(upstream), pauseMs: 4 });
    await pause(seconds * 1000);
    const answers = await callers.stop();
    const end = Date.now();
    figures.push({
      fault: upstream === "bad" ? "status 503" : "connection refused",
      seconds: (end - begin) / 1000,
      calls: answers.length,
      // Refused connections reach nobody who could count them.
      attempts: upstream === "bad"
        ? (await backend.counts())[0]!.requests
        : await service.metric("weir_upstream_attempts_total", { upstream }),
      allowed: 1.2 * answers.length + 10 * (Math.floor(end / 1000) - Math.floor(begin / 1000) + 1),
      outcomes: outcomes(answers),
    });
  }
  return figures;
}
