/** Reloads, recycled and killed workers under load: what clients notice. Used by the test and by `bench lifecycle`. */
import { freePort } from "./free_port.ts";
import { type Failure, HttpLoad, type LoadReport } from "./http_load.ts";
import { accessToFile, handlers, WeirProcess } from "./weir_process.ts";

/** How much of it. */
export interface LifecycleOptions {
  /** Clients of each kind: with connections they keep, and with one connection for each request. */
  clients: number;
  reloads: number;
  /** Requests to be answered at least in each phase. */
  requests: number;
  accept?: Record<string, unknown>;
  tls?: { cert: string; key: string; ca: string };
  modes?: { stats?: "snapshot"; control?: "tcp" };
}

/** One phase. */
export interface LifecycleFigures extends LoadReport {
  phase: string;
  seconds: number;
  /** Process that was killed in this phase, and when (monotonic ms). */
  killed?: { pid: string; at: number };
}

/** Half of the clients ask again at once; the others pause, some for longer than a drain waits for them. */
const thinks = [0, 0, 0, 0, 0, 3, 40, 100, 170, 400];

/** Runs all phases, one after the other, without a break of the load. */
export async function lifecycle(options: LifecycleOptions): Promise<LifecycleFigures[]> {
  const { clients, reloads, requests, accept = {}, tls, modes } = options;
  const port = freePort();
  const api = { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, accept };
  await using weir = await WeirProcess.start({
    manifest: {
      service: "lifecycle",
      workers: { count: 2, drain: "10s" },
      meta: { listen: `127.0.0.1:${freePort()}` },
      logs: accessToFile,
      listeners: { api: { ...api, ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}) } },
    },
    ...(modes ? { modes } : {}),
  });
  const load = new HttpLoad({
    port,
    keepAlive: clients,
    short: clients,
    thinkMs: (client) => thinks[client % thinks.length]!,
    ...(tls ? { ca: await Deno.readTextFile(tls.ca) } : {}),
  });
  const figures: LifecycleFigures[] = [];
  let beganAt = performance.now();
  const phase = async (name: string, act: () => Promise<Partial<LifecycleFigures> | void>) => {
    const more = await act() ?? {};
    if (load.report.answered < requests) await load.until(() => load.report.answered >= requests);
    figures.push({ phase: name, seconds: (performance.now() - beganAt) / 1000, ...load.lap(), ...more });
    beganAt = performance.now();
  };
  await load.more(clients * 4);
  await phase("nothing", () => Promise.resolve());
  await phase(`${reloads} reloads`, async () => {
    for (let i = 0; i < reloads; i++) {
      const { ok, message } = await weir.reload();
      if (!ok) throw new Error(message);
      await load.more(clients);
    }
  });
  await phase("a worker recycled", async () => {
    const [first] = await weir.workers();
    await weir.command({ type: "restartWorker", id: first!.id });
    await gone(weir, first!.pid);
  });
  await phase("a worker killed", async () => {
    const [, second] = await weir.workers();
    const at = performance.now();
    Deno.kill(second!.pid, "SIGKILL");
    await gone(weir, second!.pid);
    await load.more(clients * 2);
    return { killed: { pid: String(second!.pid), at } };
  });
  const seconds = (performance.now() - beganAt) / 1000;
  figures.push({ phase: "the end", seconds, ...await load.stop() });
  if (await weir.stop() !== 0) throw new Error(`It did not stop cleanly\n${weir.text}`);
  return figures;
}

/** Another worker has taken the place of process `pid`. */
async function gone(weir: WeirProcess, pid: number): Promise<void> {
  await weir.until(`worker ${pid} is replaced`, async () => {
    const { children } = await weir.status();
    return children.every((child) => child.pid !== pid && child.state === "ready") &&
      children.filter(({ role }) => role === "worker").length === 2;
  }, 30_000);
}

/** Failures that a killed worker explains: on its connections, or on new ones soon after its end. */
export function explained({ killed, failures, stale }: LifecycleFigures, withinMs = 1000): Failure[] {
  if (!killed) return [];
  return [...failures, ...stale].filter(({ worker, at, kind }) => {
    if (at < killed.at) return false;
    // Which process had accepted, or was about to, a new connection does not say.
    return worker === killed.pid || (worker === "" && kind !== "status" && at <= killed.at + withinMs);
  });
}
