/** What is there before the first request: connections, or a service that says why it does not serve. */
import { Backend, connectionsTo, somePorts } from "./upstream_backend.ts";
import { pause, UpstreamClient } from "./upstream_callers.ts";
import { UpstreamService } from "./upstream_service.ts";

/** Connections per endpoint once the service has said that it is ready, before anything was asked of it. */
export interface WarmFigures {
  workers: number;
  warm: number;
  connections: number[];
  requests: number;
}

export async function warmStart(options: { warm: number }): Promise<WarmFigures> {
  const { warm } = options;
  await using backend = await Backend.start(somePorts(2));
  await using _service = await UpstreamService.start({
    upstreams: { users: { discover: { static: backend.addresses }, pool: { connections: 8, warm } } },
  });
  const all = () => Promise.all(backend.ports.map((port) => connectionsTo(port)));
  // More than one each comes with the ticks that follow.
  for (let n = 0; n < 100 && (await all()).some((count) => count < 2 * warm); n++) await pause(10);
  const requests = (await backend.counts()).reduce((sum, one) => sum + one.requests, 0);
  return { workers: 2, warm, connections: await all(), requests };
}

/** A required upstream that is down when the service starts. */
export interface RequiredFigures {
  /** The first message that names it. */
  message: string;
  /** How often workers were started, failed and started again before it came. */
  failedStarts: number;
  /** Whether the service accepted connections before. */
  acceptedBefore: boolean;
  /** From the moment the upstream listened until the service was ready. */
  readyAfterMs: number;
  status: number;
}

/** The upstream comes once workers have failed `failures` times. */
export async function requiredUpstream(options: { failures: number }): Promise<RequiredFigures> {
  const ports = somePorts(1);
  await using service = await UpstreamService.start({
    wait: false,
    upstreams: { users: { required: true, discover: { static: [`127.0.0.1:${ports[0]}`] } } },
  });
  const { weir } = service;
  const message = () =>
    weir.text.split("\n").find((line) => line.includes("upstreams.users, which is required")) ?? "";
  const failed = () => weir.text.split("\n").filter((line) => line.includes('"cannot start"')).length;
  await weir.until("workers have failed", () => failed() >= options.failures, 60_000);
  const early = new UpstreamClient(service.port);
  const acceptedBefore = (await early.ask("/proxy/users/x")).status !== 0;
  early.close();
  const failedStarts = failed();
  await using _backend = await Backend.start(ports);
  const listensAt = performance.now();
  await weir.until("it is ready", () => weir.records("the service is ready").length > 0, 60_000);
  const readyAfterMs = performance.now() - listensAt;
  const client = new UpstreamClient(service.port);
  const { status } = await client.ask("/proxy/users/x");
  client.close();
  return { message: message(), failedStarts, acceptedBefore, readyAfterMs, status };
}
