/** A backend that is restarted again and again while connections to it are open: whether a call ever notices. */
import { join } from "node:path";
import { connects } from "../provision.ts";
import { Backend, connectionsTo, somePorts } from "./upstream_backend.ts";
import { Callers, outcomes, pause, UpstreamClient } from "./upstream_callers.ts";
import { bothWays, UpstreamService } from "./upstream_service.ts";

/** What was seen. */
export interface RestartFigures {
  /** `idle`: down and up while nobody asks; `load`: the next one takes over the port while callers ask. */
  kind: "idle" | "load";
  restarts: number;
  /** Connections that were idle in the pools when the backend ended, over all restarts. */
  idleConnections: number;
  calls: number;
  failed: number;
  outcomes: Record<string, number>;
}

/** nginx on a port that several may listen on: it starts within a few ms. */
class Nginx implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;

  private constructor(child: Deno.ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  static async start(port: number): Promise<Nginx> {
    const folder = await Deno.makeTempDir({ prefix: "weir-nginx-" });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    await Deno.writeTextFile(
      join(folder, "nginx.conf"),
      `daemon off; master_process off; error_log stderr crit; pid ${folder}/pid;
      events { worker_connections 256; }
      http {
        access_log off; keepalive_requests 1000000;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
        server { listen 127.0.0.1:${port} reuseport; location / { return 200 ok; } }
      }`,
    );
    const args = ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
    const child = new Deno.Command("nginx", { args, stdin: "null", stdout: "null", stderr: "inherit" })
      .spawn();
    const pid = async () => (await Deno.readTextFile(`${folder}/pid`).catch(() => "")).trim();
    // Written when it listens.
    for (let n = 0; await pid() === "" || !await connects(port); n++) {
      if (n > 500) throw new Error("nginx does not start");
      await pause(5);
    }
    return new Nginx(child, folder);
  }

  async stop(signal: Deno.Signal): Promise<void> {
    this.#child.kill(signal);
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** Of both workers, when they are complete. */
const connections = { each: 4, all: 8 };

/**
 * GETs, `retry` as by default. Under load the old one gives up its port before its connections (SIGTERM, SIGQUIT): with
 * SIGKILL it is the other way round now and then, and the kernel resets connections that it took for who was dead already.
 */
export async function restart(
  options: { idle: number; load: number; clients: number },
): Promise<RestartFigures[]> {
  const { clients } = options;
  const [port] = somePorts(1) as [number];
  let nginx = await Nginx.start(port);
  try {
    await using service = await UpstreamService.start({
      upstreams: {
        users: {
          discover: { static: [`127.0.0.1:${port}`] },
          pool: { connections: connections.each, warm: connections.each },
          health: { eject: false },
          retry: {},
        },
      },
    });
    const figures: RestartFigures[] = [];

    let idleConnections = 0;
    const idle = Array.from({ length: clients }, () => new UpstreamClient(service.port));
    const paths = bothWays("users");
    const askAll = () => Promise.all(idle.map((client, n) => client.ask(paths[n % paths.length]!)));
    const answers = await askAll();
    for (let n = 0; n < options.idle; n++) {
      idleConnections += await connectionsTo(port);
      await nginx.stop(n % 2 === 0 ? "SIGTERM" : "SIGKILL");
      nginx = await Nginx.start(port);
      answers.push(...await askAll());
    }
    for (const client of idle) client.close();
    figures.push(figuresOf("idle", options.idle, idleConnections, answers));

    idleConnections = 0;
    const callers = new Callers({ port: service.port, clients, paths, pauseMs: 2 });
    await pause(200);
    for (let n = 0; n < options.load; n++) {
      // A connection that is new to a worker, or to the old one, when that ends is not one that was ending anyway.
      while (await connectionsTo(port) < connections.all) await pause(5);
      await more(callers, clients * 3);
      const next = await Nginx.start(port);
      const before = nginx;
      nginx = next;
      idleConnections += await connectionsTo(port);
      await before.stop(n % 2 === 0 ? "SIGTERM" : "SIGQUIT");
      await more(callers, clients);
    }
    figures.push(figuresOf("load", options.load, idleConnections, await callers.stop()));
    return figures;
  } finally {
    await nginx[Symbol.asyncDispose]();
  }
}

/** Resolves once so many further answers are there. */
async function more({ answers }: Callers, count: number): Promise<void> {
  const goal = answers.length + count;
  while (answers.length < goal) await pause(2);
}

function figuresOf(
  kind: RestartFigures["kind"],
  restarts: number,
  idleConnections: number,
  answers: Awaited<ReturnType<Callers["stop"]>>,
): RestartFigures {
  return {
    kind,
    restarts,
    idleConnections,
    calls: answers.length,
    failed: answers.filter(({ status }) => status !== 200).length,
    outcomes: outcomes(answers),
  };
}

/** What became of requests that must not be sent twice. */
export interface PostFigures {
  restarts: number;
  calls: number;
  answered: number;
  /** Numbers that reached the backend, and those of them that did so more than once. */
  arrived: number;
  twice: number;
  outcomes: Record<string, number>;
}

/** POSTs while the backend is killed and started again, where everything that can be tried again is. */
export async function posts(options: { restarts: number; clients: number }): Promise<PostFigures> {
  const { restarts, clients } = options;
  const [port] = somePorts(1) as [number];
  const journal = await Deno.makeTempFile({ prefix: "weir-posts-" });
  const start = async () => {
    const backend = await Backend.start([port]);
    // So that some are always in flight.
    await backend.set({ journal, delayMs: 5 });
    return backend;
  };
  let backend = await start();
  try {
    await using service = await UpstreamService.start({
      upstreams: {
        users: {
          discover: { static: backend.addresses },
          health: { eject: false },
          retry: { attempts: 4, on: ["connect", "refused", "reset", "timeout", 502, 503], backoff: "5ms" },
        },
      },
    });
    const callers = new Callers({
      port: service.port,
      clients,
      paths: bothWays("users"),
      method: "POST",
      pauseMs: 2,
      numbered: true,
    });
    for (let n = 0; n < restarts; n++) {
      const goal = callers.answers.filter(({ status }) => status === 200).length + clients * 4;
      while (callers.answers.filter(({ status }) => status === 200).length < goal) await pause(5);
      await backend.kill();
      backend = await start();
    }
    const answers = await callers.stop();
    const numbers = (await Deno.readTextFile(journal)).trim().split("\n");
    return {
      restarts,
      calls: answers.length,
      answered: answers.filter(({ status }) => status === 200).length,
      arrived: numbers.length,
      twice: numbers.length - new Set(numbers).size,
      outcomes: outcomes(answers),
    };
  } finally {
    await backend.kill();
    await Deno.remove(journal);
  }
}
