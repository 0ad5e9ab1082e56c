/** What operators say on the meta pages: how soon all workers do it, and whether the pages show it. */
import { Backend, somePorts } from "./upstream_backend.ts";
import { Callers, pause } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** One command. */
export interface CommandFigures {
  command: "eject" | "restore" | "open" | "close";
  /** From the POST until it held in all workers, ms; Infinity: it did not. */
  effectMs: number;
  /** From the POST until the page of the upstream showed it, ms; Infinity: it did not. */
  shownMs: number;
}

/** What is read on the page of an upstream. */
interface UpstreamPage {
  now: { breakers: string };
  endpoints: { endpoint: string; state: string }[];
}

/** What is true of all calls for this long is taken for true of all workers. */
const quietMs = 300;
const limitMs = 5000;

/** Two workers, three endpoints, a breaker; all commands one after the other, under load. */
export async function commands(options: { clients: number }): Promise<CommandFigures[]> {
  const { clients } = options;
  await using backend = await Backend.start(somePorts(3));
  await using service = await UpstreamService.start({
    upstreams: {
      users: {
        discover: { static: backend.addresses },
        health: { slowStart: "0s" },
        breaker: { open: "500ms" },
      },
    },
  });
  await using callers = new Callers({ port: service.port, clients, paths: bothWays("users"), pauseMs: 4 });
  await pause(500);
  const victim = backend.addresses[0]!;
  const times: number[] = [];
  const arrivals = async () => {
    times.push(...(await backend.counts())[0]!.times);
    return times;
  };
  const refusals = () =>
    callers.answers.filter(({ reason }) => reason === "breaker_open").map(({ at, ms }) => at - ms);
  /** When the last of `times` after `from` was, once there was none for a while. */
  const last = async (from: number, times: () => Promise<number[]> | number[]) => {
    for (;;) {
      const end = (await times()).reduce((most, at) => Math.max(most, at), from);
      if (Date.now() - end > quietMs) return end - from;
      if (Date.now() - from > limitMs) return Infinity;
      await pause(20);
    }
  };
  /** When the first one was. */
  const first = async (from: number, times: () => Promise<number[]> | number[]) => {
    for (;;) {
      const found = (await times()).find((at) => at >= from);
      if (found !== undefined) return found - from;
      if (Date.now() - from > limitMs) return Infinity;
      await pause(10);
    }
  };
  const seen = async (from: number, shows: (page: UpstreamPage) => boolean) => {
    while (!shows(JSON.parse(await service.page("/upstreams/users?format=json")))) {
      if (Date.now() - from > limitMs) return Infinity;
      await pause(20);
    }
    return Date.now() - from;
  };
  const figures: CommandFigures[] = [];
  const say = async (
    command: CommandFigures["command"],
    fields: Record<string, string>,
    effect: (from: number) => Promise<number>,
    shows: (page: UpstreamPage) => boolean,
  ) => {
    const from = Date.now();
    await service.post(`/upstreams/users/${command}`, fields);
    const [effectMs, shownMs] = await Promise.all([effect(from), seen(from, shows)]);
    figures.push({ command, effectMs, shownMs });
  };
  const isIn = (state: string) => ({ endpoints }: UpstreamPage) =>
    endpoints.find(({ endpoint }) => endpoint === victim)?.state === state;
  await say("eject", { endpoint: victim, reason: "test" }, (from) => last(from, arrivals), isIn("operator"));
  await say("restore", { endpoint: victim }, (from) => first(from, arrivals), isIn("usable"));
  const answered = () => callers.answers.filter(({ status }) => status === 200).map(({ at, ms }) => at - ms);
  await say(
    "open",
    { reason: "test" },
    (from) => last(from, answered),
    ({ now }) => now.breakers === "forcedOpen",
  );
  await say("close", {}, (from) => last(from, refusals), ({ now }) => now.breakers === "forcedClosed");
  return figures;
}
