/** One of five endpoints fails in one of three ways while callers ask: how many of them notice, and for how long. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { Callers, outcomes, pause } from "./upstream_callers.ts";
import { DarkHost } from "./upstream_dark_host.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** How the endpoint fails: answers with 500, is killed by SIGKILL, or none of its packets arrive any more. */
export type Fault = "status 500" | "SIGKILL" | "black hole";

/** Default of `retry.on`, written down. */
export const defaultOn = ["connect", "refused", 502, 503] as const;

/** What was seen. */
export interface OutageFigures {
  fault: Fault;
  on: readonly (string | number)[];
  workers: number;
  calls: number;
  /** Answers other than 200, all and those that began later than `settledMs` after the fault. */
  errors: number;
  lateErrors: number;
  /** From the fault to the last error, ms; 0 where there was none. */
  lastErrorMs: number;
  /** Slowest good answer after the fault, ms. */
  slowestMs: number;
  outcomes: Record<string, number>;
}

/** What may still fail counts as the fault's own until then. */
const settledMs = 1500;
const count = 5;

/** GET by route and by handler, `seconds` long from the fault on. */
export async function outage(
  options: {
    fault: Fault;
    on?: readonly (string | number)[];
    seconds: number;
    clients: number;
    workers?: number;
  },
): Promise<OutageFigures> {
  const { fault, on = defaultOn, seconds, clients, workers = 2 } = options;
  const ports = somePorts(count);
  await using healthy = await Backend.start(ports.slice(1));
  await using dark = fault === "black hole" ? await DarkHost.make() : undefined;
  await using sick = await Backend.start(
    ports.slice(0, 1),
    dark && { host: dark.address, before: dark.before },
  );
  await using service = await UpstreamService.start({
    workers,
    upstreams: {
      users: {
        discover: { static: [...sick.addresses, ...healthy.addresses] },
        retry: { on },
        timeouts: { attempt: "500ms" },
      },
    },
  });
  const { port } = service;
  await using callers = new Callers({ port, clients, paths: bothWays("users"), pauseMs: 4 });
  await pause(1000);
  if ((await sick.counts())[0]!.requests === 0) throw new Error("The endpoint that is to fail is not asked");
  const before = callers.answers.length;
  if (callers.errors.length > 0) {
    throw new Error(`Errors before the fault: ${JSON.stringify(callers.errors[0])}`);
  }
  const at = Date.now();
  if (fault === "status 500") await sick.set({ status: 500 });
  else if (fault === "SIGKILL") await sick.kill();
  else await dark!.vanish();
  await pause(seconds * 1000);
  const after = (await callers.stop()).slice(before);
  const errors = after.filter(({ status }) => status !== 200);
  return {
    fault,
    on,
    workers,
    calls: after.length,
    errors: errors.length,
    lateErrors: errors.filter((one) => one.at - one.ms - at > settledMs).length,
    lastErrorMs: errors.reduce((last, one) => Math.max(last, one.at - at), 0),
    slowestMs: after.reduce((most, one) => one.status === 200 ? Math.max(most, one.ms) : most, 0),
    outcomes: outcomes(after),
  };
}
