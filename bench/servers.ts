/** The servers of the comparison `http`: how each is started with the same handler and as many processes. */
import { haveCommand } from "./loads.ts";
import { olderPythons, prepareNode, preparePython } from "./prepare.ts";
import { type ProgramOptions, runToEnd } from "./program.ts";

/** What a server is told. */
export interface ServerOptions {
  readonly port: number;
  readonly processes: number;
  /** A folder of its own for logs and generated files. */
  readonly folder: string;
}

/** One server; `program` prepares what it needs and says how to start it. */
export interface Server {
  readonly name: string;
  program(options: ServerOptions): Promise<Omit<ProgramOptions, "url" | "cpus">>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const root = new URL("../", import.meta.url).pathname;
const deno = Deno.execPath();

/** The first one is what the others are compared to. */
export const servers: readonly Server[] = [
  {
    name: "bare Deno.serve",
    program: ({ port, processes }) =>
      Promise.resolve({
        command: [deno, "run", "-A", "--unstable-net", `${peers}bare.ts`],
        copies: processes,
        env: { PORT: String(port) },
      }),
  },
  {
    name: "Weir, everything on",
    program: ({ port, processes, folder }) =>
      Promise.resolve({
        command: [deno, "run", "-A", `${root}mod.ts`, `${peers}weir.yaml`],
        env: { PORT: String(port), META_PORT: String(port + 1), PROCESSES: String(processes), LOGS: folder },
      }),
  },
  {
    name: "deno serve --parallel",
    program: ({ port, processes }) =>
      Promise.resolve({
        command: [
          deno,
          "serve",
          "-A",
          "--parallel",
          "--host",
          "127.0.0.1",
          "--port",
          `${port}`,
          `${peers}answer.ts`,
        ],
        env: { DENO_JOBS: String(processes) },
      }),
  },
  {
    name: "Fastify",
    async program({ port, processes }) {
      const { folder, node } = await prepareNode();
      return {
        command: [node, `${peers}fastify.mjs`],
        env: { PORT: String(port), PROCESSES: String(processes), MODULES: folder, NODE_ENV: "production" },
      };
    },
  },
  {
    name: "Watt",
    async program({ port, processes }) {
      const { folder, node } = await prepareNode();
      const app = `${folder}/app`;
      await Deno.mkdir(app, { recursive: true });
      await Deno.copyFile(`${peers}watt.mjs`, `${app}/index.mjs`);
      await Deno.writeTextFile(`${app}/package.json`, JSON.stringify({ type: "module", main: "index.mjs" }));
      const schema = (name: string, version: string) =>
        `https://schemas.platformatic.dev/${name}/${version}.json`;
      await Deno.writeTextFile(
        `${app}/watt.json`,
        JSON.stringify({ $schema: schema("@platformatic/node", "3.65.0"), node: { main: "index.mjs" } }),
      );
      await Deno.writeTextFile(
        `${folder}/watt.json`,
        JSON.stringify({
          $schema: schema("@platformatic/runtime", "3.67.0"),
          server: { hostname: "127.0.0.1", port },
          logger: { level: "warn" },
          entrypoint: "app",
          applications: [{ id: "app", path: "./app", workers: processes }],
        }),
      );
      const command = [node, `${folder}/node_modules/wattpm/bin/cli.js`, "start"];
      return { command, cwd: folder, env: { NODE_ENV: "production", PLT_TELEMETRY: "false" } };
    },
  },
  gunicorn("gunicorn sync", "sync", []),
  gunicorn("gunicorn gevent", "gevent", ["gevent==26.9.0", "packaging==26.3"]),
  {
    name: "gunicorn meinheld",
    async program(options) {
      // meinheld wants a greenlet that Python 3.10 and newer cannot build.
      const bin = await preparePython("meinheld", ["gunicorn==23.0.0", "meinheld==1.0.2"], olderPythons());
      return gunicornProgram(bin, "meinheld.gmeinheld.MeinheldWorker", options);
    },
  },
  {
    name: "uWSGI",
    async program({ port, processes }) {
      const bin = await preparePython("uwsgi", ["uWSGI==2.0.31"]);
      // Its HTTP router, because a worker behind its own HTTP socket serves one connection until that closes.
      const socket = [
        "--http",
        `127.0.0.1:${port}`,
        "--http-keepalive",
        "--add-header",
        "Connection: Keep-Alive",
      ];
      return {
        command: [
          `${bin}/uwsgi`,
          ...socket,
          ...[
            "--master",
            "--processes",
            String(processes),
            "--listen",
            "100",
            "--disable-logging",
            "--die-on-term",
          ],
          ...["--chdir", peers, "--wsgi", "answer:application"],
        ],
      };
    },
  },
  {
    name: "bjoern",
    async program({ port, processes }) {
      await haveCommand("gcc", "gcc");
      await haveHeader("/usr/include/ev.h", "libev-dev");
      const bin = await preparePython("bjoern", ["bjoern==3.2.2"]);
      return {
        command: [`${bin}/python`, `${peers}answer.py`],
        copies: processes,
        env: { PORT: String(port) },
      };
    },
  },
];

function gunicorn(name: string, worker: string, extra: readonly string[]): Server {
  return {
    name,
    program: async (options) =>
      gunicornProgram(
        await preparePython(`gunicorn-${worker}`, ["gunicorn==27.0.1", ...extra]),
        worker,
        options,
      ),
  };
}

function gunicornProgram(bin: string, worker: string, { port, processes, folder }: ServerOptions) {
  return {
    command: [
      `${bin}/gunicorn`,
      ...["--worker-class", worker, "--workers", String(processes), "--bind", `127.0.0.1:${port}`],
      ...["--chdir", peers, "--pid", `${folder}/pid`, "--log-level", "error", "answer:application"],
    ],
  };
}

async function haveHeader(path: string, name: string): Promise<void> {
  const found = await Deno.stat(path).then(() => true, () => false);
  if (!found) await runToEnd(["apt-get", "install", "-y", "-q", name]);
}
