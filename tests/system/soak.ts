/**
 * Mixed load with churn for as long as wanted, and the memory of every process meanwhile: kept and short connections,
 * requests that are given up, 404s, 500s, slow clients and, in one of the variants, reloads.
 */
import { freePort } from "./free_port.ts";
import { HttpLoad } from "./http_load.ts";
import { accessToFile, handlers, WeirProcess } from "./weir_process.ts";

/** How long, and how. */
export interface SoakOptions {
  seconds: number;
  sampleEverySeconds: number;
  /** 0: never. */
  reloadEverySeconds: number;
  /** Called after each sample. */
  onSample?: (sample: SoakSample) => void;
}

/** Resident bytes of each process at one moment. */
export interface SoakSample {
  atSeconds: number;
  workers: number[];
  governor: number;
  supervisor: number;
}

/** What came of it. */
export interface SoakFigures {
  samples: SoakSample[];
  answered: number;
  /** Failures of requests that were not meant to fail. */
  failed: number;
  details: string[];
  reloads: number;
}

/** Runs it to the end. */
export async function soak(options: SoakOptions): Promise<SoakFigures> {
  const { seconds, sampleEverySeconds, reloadEverySeconds, onSample = () => {} } = options;
  const port = freePort();
  await using weir = await WeirProcess.start({
    manifest: {
      service: "soak",
      workers: { count: 2, drain: "5s", memory: "2GiB" },
      meta: { listen: `127.0.0.1:${freePort()}` },
      logs: accessToFile,
      pools: { crypto: { kind: "cpu", threads: 1, queue: 64, timeout: "2s" } },
      listeners: {
        api: {
          protocol: "http",
          listen: `127.0.0.1:${port}`,
          accept: { firstByte: "2s", headers: "2s", body: "2s", idle: "5s" },
          routes: [
            { match: { path: "/fixed" }, respond: { status: 200, body: "fixed" } },
            { match: { path: "/nowhere/*" }, respond: { status: 404, body: "no" } },
            { handler: handlers },
          ],
        },
      },
    },
  });
  const pauses = (ms: number) => (client: number) => ms + client;
  const loads = [
    new HttpLoad({ port, keepAlive: 12, short: 4, thinkMs: pauses(10) }),
    new HttpLoad({ port, keepAlive: 2, short: 2, path: "/fixed", thinkMs: pauses(20) }),
    new HttpLoad({ port, keepAlive: 2, short: 1, path: "/nowhere/at/all", status: 404, thinkMs: pauses(20) }),
    new HttpLoad({ port, keepAlive: 1, short: 1, path: "/fail", status: 500, thinkMs: pauses(100) }),
    new HttpLoad({ port, keepAlive: 4, short: 1, path: "/?ms=20", thinkMs: pauses(30) }),
  ];
  const churn = new Churn(port);
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const samples: SoakSample[] = [];
  let reloads = 0;
  let reloadAt = reloadEverySeconds > 0 ? begin + reloadEverySeconds * 1000 : Infinity;
  for (let at = begin + sampleEverySeconds * 1000; at <= end; at += sampleEverySeconds * 1000) {
    await pause(at - performance.now());
    const { children, pid } = await weir.status();
    const rss = (role: string) =>
      children.filter((child) => child.role === role).map(({ pid }) => residentBytes(pid));
    const sample: SoakSample = {
      atSeconds: (performance.now() - begin) / 1000,
      workers: rss("worker"),
      governor: rss("governor")[0] ?? 0,
      supervisor: residentBytes(pid),
    };
    samples.push(sample);
    onSample(sample);
    for (const load of loads) load.forgetLatencies();
    if (performance.now() < reloadAt) continue;
    reloadAt += reloadEverySeconds * 1000;
    const { ok, message } = await weir.reload();
    if (!ok) throw new Error(message);
    reloads++;
  }
  await churn.stop();
  const reports = await Promise.all(loads.map((load) => load.stop()));
  if (await weir.stop() !== 0) throw new Error(`It did not stop cleanly\n${weir.text.slice(-4000)}`);
  const failures = reports.flatMap((report) => report.failures);
  return {
    samples,
    answered: reports.reduce((sum, { answered }) => sum + answered, 0),
    failed: failures.length,
    details: failures.slice(0, 5).map(({ kind, detail }) => `${kind}: ${detail}`),
    reloads,
  };
}

/** Clients that do not behave: silent ones, half heads, half bodies, and those that leave before the answer. */
class Churn {
  readonly #port: number;
  readonly #running: Promise<void>[];
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
    const head = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n";
    this.#running = [
      this.#repeat("", 2500),
      this.#repeat("GET / HTTP/1.1\r\nhost:", 2500),
      this.#repeat(`${head}\r\nhalf`, 2500),
      this.#repeat("GET /?ms=500 HTTP/1.1\r\nhost: x\r\n\r\n", 30),
      this.#repeat("GET /?ms=50 HTTP/1.1\r\nhost: x\r\n\r\n", 10),
      this.#repeat("no http at all\r\n\r\n", 100),
      this.#repeat(`${head}\r\n${"x".repeat(1000)}`, 20),
    ];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #repeat(text: string, leaveAfterMs: number): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    const buffer = new Uint8Array(4096);
    while (!this.#stopped) {
      try {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
        if (bytes.length > 0) await conn.write(bytes);
        const timer = setTimeout(() => conn.close(), leaveAfterMs);
        while (await conn.read(buffer) !== null);
        clearTimeout(timer);
        conn.close();
      } catch {
        // Closed by one of the two sides: that is what it is for.
      }
      await pause(50);
    }
  }
}

/** Resident bytes of a process; 0 when it is gone. */
function residentBytes(pid: number): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
