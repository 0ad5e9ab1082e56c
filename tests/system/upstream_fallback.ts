/** An upstream with a fallback goes down and comes back: who answers, and how soon. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { type Answer, Callers, outcomes, pause } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** What was seen; times in ms. */
export interface FallbackFigures {
  calls: number;
  errors: number;
  /** From the first's death until the fallback had its first call. */
  usedAfterMs: number;
  /** From the first's return until it had its first call. */
  backAfterMs: number;
  /** Calls that the fallback got before the first died, and in the last half second of the test. */
  early: number;
  late: number;
  outcomes: Record<string, number>;
}

export async function fallback(options: { downMs: number; clients: number }): Promise<FallbackFigures> {
  const { downMs, clients } = options;
  const ports = somePorts(1);
  await using second = await Backend.start(somePorts(1));
  let first = await Backend.start(ports);
  try {
    await using service = await UpstreamService.start({
      upstreams: {
        users: {
          discover: { static: first.addresses },
          retry: { on: ["connect", "refused", "reset", 502, 503] },
          fallback: "spare",
        },
        spare: { discover: { static: second.addresses } },
      },
    });
    await using callers = new Callers({ port: service.port, clients, paths: bothWays("users"), pauseMs: 4 });
    await pause(500);
    const early = (await second.counts())[0]!.requests;
    const diedAt = Date.now();
    await first.kill();
    await pause(downMs);
    const usedAt = (await second.counts())[0]!.times[0] ?? Infinity;
    first = await Backend.start(ports);
    const returnedAt = Date.now();
    let backAt = Infinity;
    for (let n = 0; n < 1000 && backAt === Infinity; n++) {
      await pause(10);
      backAt = (await first.counts())[0]!.times[0] ?? Infinity;
    }
    await pause(500);
    await second.counts();
    await pause(500);
    const late = (await second.counts())[0]!.times.length;
    const answers: Answer[] = await callers.stop();
    return {
      calls: answers.length,
      errors: callers.errors.length,
      usedAfterMs: usedAt - diedAt,
      backAfterMs: backAt - returnedAt,
      early,
      late,
      outcomes: outcomes(answers),
    };
  } finally {
    await first.kill();
  }
}
