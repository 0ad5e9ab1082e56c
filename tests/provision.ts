/**
 * Real servers for tests: installed from the distribution where missing, started on free ports on loopback, waited for
 * until they answer, stopped by their process id. A server that cannot be had is a failed test with a clear message,
 * never a skipped one. To add a server, add a row to {@link servers}.
 */
import { createConnection } from "node:net";
import { join } from "node:path";
import { makeCertificates } from "./make_certificates.ts";

/** How to get, run and recognise one kind of server. */
export interface ServerRow {
  /** Program looked for on PATH and in the sbin folders. */
  program: string;
  /** Debian package that brings it. */
  package: string;
  /** How many ports it needs; `arguments` gets them in order. */
  ports: number;
  /** Writes configuration into `folder` and returns the arguments of the program, which must stay in the foreground. */
  arguments(folder: string, ports: readonly number[]): Promise<string[]> | string[];
  /** Environment variables for it, beside those of this process. */
  environment?(folder: string): Record<string, string>;
  /** True once the server answers. */
  answers(folder: string, ports: readonly number[]): Promise<boolean>;
}

/** The servers that tests can ask for. */
export const servers = {
  rsyslog: {
    program: "rsyslogd",
    package: "rsyslog",
    ports: 1, // udp and tcp alike
    async arguments(folder, [port]) {
      const configuration = [
        `global(workDirectory="${folder}")`,
        `module(load="imudp")`,
        `module(load="imtcp")`,
        `module(load="imuxsock" SysSock.Use="off")`,
        `input(type="imudp" address="127.0.0.1" port="${port}")`,
        `input(type="imtcp" address="127.0.0.1" port="${port}")`,
        `input(type="imuxsock" Socket="${folder}/log.sock" UseSpecialParser="off" UsePIDFromSystem="off" ` +
        `UseSysTimeStamp="off" IgnoreTimestamp="off")`,
        `template(name="parts" type="list" option.jsonf="on") {`,
        ...["pri", "hostname", "app-name", "procid", "msgid", "timereported", "msg"].map((name) => {
          const date = name === "timereported" ? ` dateFormat="rfc3339"` : "";
          return `  property(outname="${name}" name="${name}" format="jsonf"${date})`;
        }),
        `}`,
        `action(type="omfile" file="${folder}/received.log" template="parts" fileCreateMode="0600")`,
      ];
      await Deno.writeTextFile(join(folder, "rsyslog.conf"), configuration.join("\n") + "\n");
      return ["-n", "-f", join(folder, "rsyslog.conf"), "-i", join(folder, "rsyslog.pid")];
    },
    answers: (_folder, [port]) => connects(port!),
  },
  /**
   * `/` answers with the numbers of the connection and of the request on it, `/files/` with the files of `www` in its
   * folder, `/empty` with 204, `/moved` with a redirect, `/broken` with 503; bodies of up to 8 MiB are read and dropped.
   */
  nginx: {
    program: "nginx",
    package: "nginx-light",
    ports: 1,
    async arguments(folder, [port]) {
      await Deno.mkdir(join(folder, "www"));
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const configuration = [
        `daemon off; master_process off; error_log stderr; pid ${folder}/nginx.pid;`,
        `events { worker_connections 256; }`,
        `http {`,
        `  access_log off; client_max_body_size 8m; keepalive_requests 1000000; server_tokens off;`,
        ...temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`),
        `  server {`,
        `    listen 127.0.0.1:${port};`,
        `    location / { return 200 "$connection $connection_requests"; }`,
        `    location /files/ { alias ${folder}/www/; }`,
        `    location = /empty { return 204; }`,
        `    location = /moved { return 302 /; }`,
        `    location = /broken { add_header retry-after 2 always; return 503 broken; }`,
        `  }`,
        `}`,
      ];
      await Deno.writeTextFile(join(folder, "nginx.conf"), configuration.join("\n") + "\n");
      return ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
    },
    answers: (_folder, [port]) => connects(port!),
  },
  /** Writes every request as a line of JSON to `seen.log` of its folder, body included; answers `ok`. */
  nginxSeen: {
    program: "nginx",
    package: "nginx-light",
    ports: 2,
    async arguments(folder, [port, behind]) {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const fields = ["status", "request", "http_host", "request_body"].map((name) => `"${name}":"$${name}"`);
      const configuration = [
        `daemon off; master_process off; error_log stderr; pid ${folder}/nginx.pid;`,
        `events { worker_connections 256; }`,
        `http {`,
        `  log_format seen escape=json '{${fields.join(",")}}';`,
        ...temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`),
        `  client_body_buffer_size 128k; keepalive_requests 1000000;`,
        // Only what is passed on is read, and can be logged.
        `  server { listen 127.0.0.1:${port}; access_log ${folder}/seen.log seen;`,
        `    location / { proxy_pass http://127.0.0.1:${behind}; } }`,
        `  server { listen 127.0.0.1:${behind}; access_log off; location / { return 200 ok; } }`,
        `}`,
      ];
      await Deno.writeTextFile(join(folder, "nginx.conf"), configuration.join("\n") + "\n");
      return ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
    },
    answers: (_folder, [port]) => connects(port!),
  },
  /**
   * TLS, with certificates in `tls` of its folder. Ports: HTTP/1.1, also over IPv6 and `tls.sock`, for localhost and, by
   * SNI, second.test (`/` answers with the name that was asked for, the client's subject and the number of the connection);
   * only for clients of its CA; an expired certificate; HTTP/2. SIGHUP reads the certificates again.
   */
  nginxTls: {
    program: "nginx",
    package: "nginx-light",
    ports: 4,
    async arguments(folder, [port, mutual, expired, http2]) {
      const made = await makeCertificates(["server", "second", "expired", "client"], {
        server: { names: "DNS:localhost,IP:127.0.0.1,IP:::1" },
        second: { names: "DNS:second.test" },
        expired: { days: -1 },
      });
      await Deno.rename(made, join(folder, "tls"));
      const pair = (name: string) =>
        `ssl_certificate ${folder}/tls/${name}.pem; ssl_certificate_key ${folder}/tls/${name}.key;`;
      const location = `location / { return 200 "$ssl_server_name,$ssl_client_s_dn,$connection"; }`;
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const configuration = [
        `daemon off; error_log stderr; pid ${folder}/nginx.pid; worker_processes 1;`,
        ...(Deno.uid() === 0 ? ["user root;"] : []),
        `events { worker_connections 1024; }`,
        `http {`,
        `  access_log off; keepalive_requests 1000000; server_tokens off;`,
        ...temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`),
        `  server {`,
        `    listen 127.0.0.1:${port} ssl default_server; listen [::1]:${port} ssl default_server;`,
        `    listen unix:${folder}/tls.sock ssl; ${pair("server")} ${location}`,
        `  }`,
        `  server { listen 127.0.0.1:${port} ssl; server_name second.test; ${pair("second")} ${location} }`,
        `  server { listen 127.0.0.1:${mutual} ssl; ${pair("server")} ${location}`,
        `    ssl_client_certificate ${folder}/tls/ca.pem; ssl_verify_client on; }`,
        `  server { listen 127.0.0.1:${expired} ssl; ${pair("expired")} ${location} }`,
        `  server { listen 127.0.0.1:${http2} ssl http2; ${pair("server")} ${location} }`,
        `}`,
      ];
      await Deno.writeTextFile(join(folder, "nginx.conf"), configuration.join("\n") + "\n");
      return ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
    },
    answers: (_folder, [port]) => connects(port!),
  },
  /** Knows what stands in `hosts` of its folder (read again on SIGHUP) and in `services.conf` (at start). */
  dnsmasq: {
    program: "dnsmasq",
    package: "dnsmasq-base",
    ports: 1, // udp and tcp alike
    async arguments(folder, [port]) {
      for (const name of ["hosts", "services.conf"]) {
        await Deno.writeTextFile(join(folder, name), "", { append: true });
      }
      return [
        "--keep-in-foreground",
        `--conf-file=${join(folder, "services.conf")}`,
        `--addn-hosts=${join(folder, "hosts")}`,
        "--no-resolv",
        "--no-hosts",
        "--local=/test/",
        "--local-ttl=1",
        "--pid-file",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        `--port=${port}`,
        // It would become nobody, who cannot read the folder.
        ...(Deno.uid() === 0 ? ["--user=root"] : []),
      ];
    },
    answers: (_folder, [port]) => connects(port!),
  },
  etcd: {
    program: "etcd",
    package: "etcd-server",
    ports: 2, // clients, peers
    arguments(folder, [port, peerPort]) {
      const client = `http://127.0.0.1:${port}`;
      const peer = `http://127.0.0.1:${peerPort}`;
      return [
        ...["--name", "test", "--data-dir", join(folder, "data")],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", `test=${peer}`],
      ];
    },
    async answers(_folder, [port]) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/health`, {
          signal: AbortSignal.timeout(1000),
        });
        return (await response.text()).includes('"true"');
      } catch {
        return false;
      }
    },
  },
  zookeeper: {
    program: "../share/zookeeper/bin/zkServer.sh",
    package: "zookeeper",
    ports: 1,
    async arguments(folder, [port]) {
      const settings = {
        tickTime: 500,
        dataDir: join(folder, "data"),
        clientPort: port,
        clientPortAddress: "127.0.0.1",
        "admin.enableServer": false,
        "4lw.commands.whitelist": "srvr",
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
      await Deno.writeTextFile(join(folder, "zoo.cfg"), lines.join(""));
      return ["start-foreground", join(folder, "zoo.cfg")];
    },
    environment: (folder) => ({
      ZOO_LOG_DIR: folder,
      JMXDISABLE: "true",
      JVMFLAGS: "-Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }),
    answers: (_folder, [port]) => says(port!, "srvr", "Zookeeper version"),
  },
  redis: redisRow([]),
  /** A Redis that speaks RESP2 only, as those before 6.0. */
  redisOld: redisRow([`rename-command HELLO ""`]),
} satisfies Record<string, ServerRow>;

function redisRow(configuration: string[]): ServerRow {
  return {
    program: "redis-server",
    package: "redis-server",
    ports: 1,
    async arguments(folder, [port]) {
      const lines = [
        `bind 127.0.0.1`,
        `port ${port}`,
        `dir ${folder}`,
        `save ""`,
        `daemonize no`,
        `enable-debug-command yes`,
        ...configuration,
      ];
      await Deno.writeTextFile(join(folder, "redis.conf"), lines.join("\n") + "\n");
      return [join(folder, "redis.conf")];
    },
    answers: (_folder, [port]) => connects(port!),
  };
}

/** A server that runs until it is disposed. */
export interface RunningServer extends AsyncDisposable {
  readonly pid: number;
  readonly ports: readonly number[];
  /** Its folder: configuration, data, output. Removed at the end. */
  readonly folder: string;
  /** Ends the process; `stop` and a later start on the same ports imitate a restart. */
  stop(): Promise<void>;
}

/** Options of {@link provision}. */
export interface ProvisionOptions {
  /** Ports to use instead of free ones. */
  ports?: readonly number[];
  /** Folder of an earlier run, to go on with its data; it is not removed at the end. */
  folder?: string;
  /** Where free ports are looked for; below the ephemeral range. */
  range?: { from: number; to: number };
  /** Longest wait for the first answer. */
  startMs?: number;
}

const installMs = 180_000;

/** Installs `kind` where it is missing, starts it and waits until it answers. Throws Error with what is missing. */
export async function provision(
  kind: keyof typeof servers,
  options: ProvisionOptions = {},
): Promise<RunningServer> {
  const row: ServerRow = servers[kind];
  const program = await findOrInstall(row);
  const ports = options.ports ?? freePorts(row.ports, options.range ?? { from: 22_000, to: 32_000 });
  const folder = options.folder ?? await Deno.makeTempDir({ prefix: `weir-${kind}-` });
  const child = new Deno.Command(program, {
    args: await row.arguments(folder, ports),
    cwd: folder,
    ...(row.environment ? { env: row.environment(folder) } : {}),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kept = options.folder !== undefined;
  return await started(kind, row, { child, ports, folder, kept }, options.startMs ?? 15_000);
}

interface Parts {
  child: Deno.ChildProcess;
  ports: readonly number[];
  folder: string;
  /** Somebody else removes the folder. */
  kept: boolean;
}

async function started(kind: string, row: ServerRow, parts: Parts, startMs: number): Promise<RunningServer> {
  const { child, ports, folder, kept } = parts;
  const said = { text: "" };
  const listening = [listen(child.stdout, said), listen(child.stderr, said)];
  let running = true;
  const ended = child.status.then(() => {
    running = false;
  });
  const stop = async () => {
    if (running) child.kill("SIGTERM");
    const patience = setTimeout(() => running && child.kill("SIGKILL"), 3000);
    await ended;
    clearTimeout(patience);
    await Promise.all(listening);
  };
  const dispose = async () => {
    await stop();
    if (!kept) await Deno.remove(folder, { recursive: true });
  };
  const limit = performance.now() + startMs;
  while (running && performance.now() < limit) {
    if (await row.answers(folder, ports)) {
      return { pid: child.pid, ports, folder, stop, [Symbol.asyncDispose]: dispose };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const how = running ? `did not answer within ${startMs} ms` : "ended at once";
  await dispose();
  throw new Error(`Cannot start ${kind}: it ${how}. It said: ${said.text || "nothing"}`);
}

/** Keeps the end of what a server says, so that a failed start can be explained. */
async function listen(stream: ReadableStream<Uint8Array>, said: { text: string }): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>) {
    said.text = (said.text + text).slice(-2000);
  }
}

/** The path of a program, installed where it is missing. Throws Error with why it cannot be had. */
export async function findOrInstall(row: Pick<ServerRow, "program" | "package">): Promise<string> {
  const found = await find(row.program);
  if (found) return found;
  const trouble = await install(row.package);
  const installed = await find(row.program);
  if (installed) return installed;
  throw new Error(
    `Cannot run this test: the program "${row.program}" is missing and could not be installed ` +
      `(package "${row.package}"): ${trouble || "the package does not bring it"}`,
  );
}

async function find(program: string): Promise<string | undefined> {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin", "/sbin"];
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      if ((await Deno.stat(path)).isFile) return path;
    } catch {
      // not in this folder
    }
  }
}

/** Installs a Debian package; what went wrong, or an empty text. Several test files may ask at once: apt waits for its lock. */
export async function install(name: string): Promise<string> {
  if (Deno.build.os !== "linux") return "installing is only known for Debian and its children";
  // a package must not start its service by itself
  const environment = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", name]]) {
    try {
      const command = new Deno.Command("apt-get", {
        args: ["-q", "-o", "DPkg::Lock::Timeout=120", ...args],
        env: environment,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        signal: AbortSignal.timeout(installMs),
      });
      const { success, stderr } = await command.output();
      if (!success) return `apt-get ${args[0]}: ${new TextDecoder().decode(stderr).trim().slice(-500)}`;
    } catch (error) {
      return `apt-get ${args[0]}: ${error instanceof Error ? error.message : error}`;
    }
  }
  return "";
}

/** Ports that are free for UDP and TCP now. Throws Error when the range has not enough of them. */
export function freePorts(count: number, range: { from: number; to: number }): number[] {
  const size = range.to - range.from;
  const start = Math.floor(Math.random() * size);
  const ports: number[] = [];
  for (let i = 0; i < size && ports.length < count; i++) {
    const port = range.from + (start + i) % size;
    if (isFree(port)) ports.push(port);
  }
  if (ports.length < count) throw new Error(`Cannot find ${count} free ports in ${range.from}-${range.to}`);
  return ports;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

/** True when something accepts TCP connections on `port`. */
export function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.setTimeout(1000, () => socket.destroy(new Error("no answer")));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** True when what listens on `port` answers `question` with `expected`. */
export async function says(port: number, question: string, expected: string): Promise<boolean> {
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode(question));
    const chunk = new Uint8Array(expected.length);
    const count = await Promise.race([
      conn.read(chunk),
      new Promise<null>((resolve) => setTimeout(resolve, 500, null)),
    ]);
    return new TextDecoder().decode(chunk.subarray(0, count ?? 0)) === expected;
  } catch {
    return false;
  }
}
