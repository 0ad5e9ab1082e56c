/** How far a deadline and a client's departure reach: to the upstream. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { pause, UpstreamClient } from "./upstream_callers.ts";
import { UpstreamService } from "./upstream_service.ts";

/** What was seen by one way to the upstream; times in ms. */
export interface DeadlineFigures {
  way: "proxy" | "handler";
  /** What the backend read in `x-deadline-ms`. */
  toldMs: number;
  /** The answer to a request that the backend never answers, and when it came. */
  status: number;
  reason: string;
  answeredMs: number;
  /** From then until the backend knew that nobody waits. */
  abandonedMs: number;
  /** From a client's leaving until the backend knew. */
  leftMs: number;
}

/** `deadlineMs` of the listener; a second listener has none, for clients that leave. */
export async function deadline(options: { deadlineMs: number }): Promise<DeadlineFigures[]> {
  const { deadlineMs } = options;
  await using backend = await Backend.start(somePorts(2));
  const [shortPort, longPort] = backend.ports as [number, number];
  await using service = await UpstreamService.start({
    listener: { deadline: `${deadlineMs}ms` },
    upstreams: { users: { discover: { static: [backend.addresses[0]] } } },
  });
  await using patient = await UpstreamService.start({
    listener: { deadline: "60s" },
    upstreams: {
      users: { discover: { static: [backend.addresses[1]] }, timeouts: { attempt: "30s", total: "30s" } },
    },
  });
  const countsOf = async (port: number) => (await backend.counts())[backend.ports.indexOf(port)]!;
  const noticed = async (port: number, from: number, since: number) => {
    while ((await countsOf(port)).left === from) {
      if (Date.now() - since > 10_000) return Infinity;
      await pause(5);
    }
    return (await countsOf(port)).leftAt - since;
  };
  await backend.set({ hold: true });
  const figures: DeadlineFigures[] = [];
  for (const way of ["proxy", "handler"] as const) {
    const path = `/${way}/users/x`;
    const client = new UpstreamClient(service.port);
    const { left } = await countsOf(shortPort);
    const answer = await client.ask(path);
    const abandonedMs = await noticed(shortPort, left, answer.at);
    client.close();
    const leaver = new UpstreamClient(patient.port);
    const before = await countsOf(longPort);
    await leaver.send(path);
    while ((await countsOf(longPort)).requests === before.requests) await pause(5);
    const leftAt = Date.now();
    leaver.close();
    figures.push({
      way,
      toldMs: (await countsOf(shortPort)).deadlines.at(-1) ?? NaN,
      status: answer.status,
      reason: answer.reason,
      answeredMs: answer.ms,
      abandonedMs,
      leftMs: await noticed(longPort, before.left, leftAt),
    });
  }
  return figures;
}
