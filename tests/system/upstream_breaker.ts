/** The breaker of an upstream that fails every call, over two workers: when it opens, what it lets through, and the ramp. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { type Answer, Callers, outcomes, pause } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** What was seen; times in ms. */
export interface BreakerFigures {
  openMs: number;
  probes: number;
  /** Calls that reached the backend before it opened. */
  callsBefore: number;
  /** From the last of them to the first probe. */
  openForMs: number;
  /** Requests at the backend while the probes were not answered. */
  probed: number;
  /** The same once more, from the first bad probe's answer. */
  openAgainForMs: number;
  probedAgain: number;
  /** Answers while it was open, from shortly after it opened. */
  whileOpen: Record<string, number>;
  /** Share of the calls that were let through after the good probes, in equal parts of `open`. */
  ramp: number[];
}

/** How long a probe is answered late, so that all of them are under way at once. */
const probeMs = 150;
const parts = 5;

export async function breaker(options: { openMs: number; clients: number }): Promise<BreakerFigures> {
  const { openMs, clients } = options;
  const probes = 3;
  await using backend = await Backend.start(somePorts(1));
  await using service = await UpstreamService.start({
    upstreams: {
      users: {
        discover: { static: backend.addresses },
        health: { eject: false },
        retry: { attempts: 1 },
        breaker: { window: "1s", minimum: 20, failures: "50%", open: `${openMs}ms`, probes },
      },
    },
  });
  await backend.set({ status: 503 });
  await using callers = new Callers({ port: service.port, clients, paths: bothWays("users"), pauseMs: 6 });
  const times: number[] = [];
  const gather = async () => {
    times.push(...(await backend.counts())[0]!.times);
    return times.length;
  };
  /** Resolves once something came after number `from`. */
  const more = async (from: number) => {
    const end = performance.now() + 10 * openMs;
    while (await gather() <= from) {
      if (performance.now() > end) throw new Error("The breaker does not let anything through");
      await pause(5);
    }
  };
  /** How many came; resolves once none have come for a while. */
  const quiet = async () => {
    await pause(openMs / 4);
    let before = -1;
    while (before !== await gather()) {
      before = times.length;
      await pause(openMs / 4);
    }
    return before;
  };
  const callsBefore = await quiet();
  // Bad probes, slow enough to be counted.
  await backend.set({ delayMs: probeMs });
  await more(callsBefore);
  const openedAgain = await quiet();
  const probed = openedAgain - callsBefore;
  // Good ones.
  await backend.set({ status: 200 });
  await more(openedAgain);
  await pause(probeMs * 0.6);
  const probedAgain = await gather() - openedAgain;
  await backend.set({ delayMs: 0 });
  await pause(openMs + 3 * probeMs);
  const answers = await callers.stop();
  await gather();
  const openedAt = times[callsBefore - 1]!;
  const halfOpenAt = times[callsBefore]!;
  const rampFrom = times[openedAgain]! + probeMs;
  return {
    openMs,
    probes,
    callsBefore,
    openForMs: halfOpenAt - openedAt,
    probed,
    // It opens again when the first bad probe is answered.
    openAgainForMs: times[openedAgain]! - (halfOpenAt + probeMs),
    probedAgain,
    whileOpen: outcomes(answers.filter(({ at }) => at > openedAt + 50 && at < halfOpenAt)),
    ramp: shares(answers, rampFrom, openMs / parts),
  };
}

function shares(answers: readonly Answer[], from: number, lengthMs: number): number[] {
  return Array.from({ length: parts }, (_, n) => {
    const begin = from + n * lengthMs;
    const part = answers.filter(({ at }) => at >= begin && at < begin + lengthMs);
    return part.filter(({ status }) => status === 200).length / part.length;
  });
}
