/** The reverse proxies of the comparison `gateway`, and the server behind them: how each is started, with one worker. */
import { haveCommand } from "./loads.ts";
import { nodePackagesOfGateways, prepareNode } from "./prepare.ts";
import type { ProgramOptions } from "./program.ts";

/** What a proxy is told. */
export interface GatewayOptions {
  readonly port: number;
  /** Of a page of its own, where it has one. */
  readonly metaPort: number;
  readonly backendPort: number;
  /** A folder of its own for logs and generated files. */
  readonly folder: string;
}

/** One proxy; `program` prepares what it needs and says how to start it. */
export interface Gateway {
  readonly name: string;
  /** What Weir ÷ it is to be at least, in requests per second. */
  readonly target?: number;
  program(options: GatewayOptions): Promise<Omit<ProgramOptions, "url" | "cpus">>;
}

const peers = new URL("peers/", import.meta.url).pathname;
const root = new URL("../", import.meta.url).pathname;
const deno = Deno.execPath();

/** The first one is compared to the others. None but it writes an access log. */
export const gateways: readonly Gateway[] = [
  {
    name: "Weir, everything on",
    program: ({ port, metaPort, backendPort, folder }) =>
      Promise.resolve({
        command: [deno, "run", "-A", `${root}mod.ts`, `${peers}gateway_weir.yaml`],
        env: {
          PORT: String(port),
          META_PORT: String(metaPort),
          BACKEND_PORT: String(backendPort),
          PROCESSES: "1",
          LOGS: folder,
        },
      }),
  },
  {
    name: "nginx",
    target: 0.5,
    async program({ port, backendPort, folder }) {
      const file = await nginx(folder, "worker_processes 1;", [
        `upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }`,
        "server {",
        `  listen 127.0.0.1:${port};`,
        "  location / {",
        '    proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";',
        "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $http_host;",
        "  }",
        "}",
      ]);
      return { command: nginxCommand(folder, file) };
    },
  },
  {
    name: "HAProxy",
    target: 0.5,
    async program({ port, backendPort, folder }) {
      await haveCommand("haproxy", "haproxy");
      const file = `${folder}/haproxy.cfg`;
      await Deno.writeTextFile(
        file,
        [
          "global",
          "  nbthread 1",
          "  maxconn 1024",
          "defaults",
          "  mode http",
          "  timeout connect 250ms",
          "  timeout client 5s",
          "  timeout server 5s",
          "  option forwardfor",
          "frontend api",
          `  bind 127.0.0.1:${port}`,
          "  default_backend users",
          "backend users",
          "  http-reuse always",
          `  server one 127.0.0.1:${backendPort} check inter 5s`,
          "",
        ].join("\n"),
      );
      return { command: ["haproxy", "-db", "-f", file] };
    },
  },
  {
    name: "Caddy",
    target: 2,
    async program({ port, backendPort, folder }) {
      await haveCommand("caddy", "caddy");
      const file = `${folder}/Caddyfile`;
      await Deno.writeTextFile(
        file,
        [
          "{",
          "  admin off",
          "  auto_https off",
          "}",
          `http://127.0.0.1:${port} {`,
          `  reverse_proxy 127.0.0.1:${backendPort} {`,
          "    transport http {",
          "      keepalive_idle_conns_per_host 64",
          "    }",
          "  }",
          "}",
          "",
        ].join("\n"),
      );
      return {
        command: ["caddy", "run", "--config", file, "--adapter", "caddyfile"],
        env: { GOMAXPROCS: "1", XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      };
    },
  },
  {
    name: "Fastify",
    target: 2,
    async program({ port, backendPort }) {
      const { folder, node } = await prepareNode("gateway", nodePackagesOfGateways);
      return {
        command: [node, `${peers}gateway_fastify.mjs`],
        env: {
          PORT: String(port),
          BACKEND_PORT: String(backendPort),
          MODULES: folder,
          NODE_ENV: "production",
        },
      };
    },
  },
  {
    name: "Deno.serve, hand-written",
    program: ({ port, backendPort }) =>
      Promise.resolve({
        command: [deno, "run", "-A", `${peers}gateway_by_hand.ts`],
        env: { PORT: String(port), BACKEND_PORT: String(backendPort) },
      }),
  },
];

/** What all proxies ask: nginx with a small answer everywhere, and a file of `fileBytes` at `/file`. */
export async function backend(
  { port, folder, fileBytes }: { port: number; folder: string; fileBytes: number },
): Promise<Omit<ProgramOptions, "url" | "cpus">> {
  await Deno.writeFile(`${folder}/file`, new Uint8Array(fileBytes).fill(0x61));
  const file = await nginx(folder, "master_process off;", [
    "server {",
    `  listen 127.0.0.1:${port};`,
    "  default_type application/json;",
    `  location / { return 200 '{"message":"Hello, World!","user":42,"groups":["control","button"]}'; }`,
    `  location = /file { root ${folder}; }`,
    "}",
  ]);
  return { command: nginxCommand(folder, file) };
}

function nginxCommand(folder: string, file: string): string[] {
  return ["nginx", "-p", folder, "-e", "stderr", "-c", file];
}

/** Writes a configuration that needs no right and no folder but its own; its path. */
async function nginx(folder: string, processes: string, http: readonly string[]): Promise<string> {
  await haveCommand("nginx", "nginx-light");
  const file = `${folder}/nginx.conf`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  await Deno.writeTextFile(
    file,
    [
      `daemon off; ${processes} error_log stderr error; pid ${folder}/nginx.pid;`,
      "events { worker_connections 1024; }",
      "http {",
      "access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on;",
      ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`),
      ...http,
      "}",
      "",
    ].join("\n"),
  );
  return file;
}
