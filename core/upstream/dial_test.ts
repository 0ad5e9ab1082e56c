import assert from "node:assert/strict";
import { freePorts, provision, type RunningServer } from "../../tests/provision.ts";
import type { EndpointSpec } from "../endpoint.ts";
import { UpstreamError } from "../upstream_error.ts";
import { dial } from "./dial.ts";
import type { TlsMaterial } from "./dial_tls.ts";

const range = { from: 29_000, to: 29_200 };
const plenty = 10_000;
const decoder = new TextDecoder();

function specOf(address: string, serverName?: string): EndpointSpec {
  return { address, weight: 1, role: null, priority: 0, ...(serverName ? { serverName } : {}) };
}

function trusting(ca: string | undefined, more: Partial<TlsMaterial> = {}): TlsMaterial {
  return { ca, cert: undefined, key: undefined, serverName: undefined, ...more };
}

const certificate = (server: RunningServer, name: string) =>
  Deno.readTextFile(`${server.folder}/tls/${name}`);

/** What a GET over a fresh connection is answered with: status line and body. */
async function ask(spec: EndpointSpec, tls: TlsMaterial | undefined): Promise<string> {
  const { stream } = await dial("users", spec, tls, ["http/1.1"], plenty);
  try {
    await stream.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"));
    let text = "";
    const chunk = new Uint8Array(4096);
    for (let count = await stream.read(chunk); count !== null; count = await stream.read(chunk)) {
      text += decoder.decode(chunk.subarray(0, count));
    }
    return `${text.split("\r\n")[0]!.slice(9, 12)} ${text.split("\r\n\r\n")[1]}`;
  } finally {
    stream.close();
  }
}

/** The failure of a dial, its text and how long it took, ms. */
async function failure(
  address: string,
  tls?: TlsMaterial,
  timeoutMs = plenty,
  serverName?: string,
): Promise<{ kind: string; text: string; ms: number }> {
  const started = performance.now();
  const end = await dial("users", specOf(address, serverName), tls, [], timeoutMs).catch((error) => error);
  assert.ok(end instanceof UpstreamError, `no UpstreamError: ${end}`);
  assert.equal(end.endpoint, address);
  assert.equal(end.sent, false);
  return { kind: end.failure, text: end.message, ms: performance.now() - started };
}

/** `ms` ± 20 %, and what a busy machine adds. */
function isAbout(actual: number, ms: number): void {
  assert.ok(actual >= 0.8 * ms && actual <= 1.2 * ms + 100, `${actual} ms, declared ${ms} ms`);
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** A listener that accepts and then does what it is told with each connection. */
function accepting(serve: (conn: Deno.TcpConn) => unknown): Disposable & { address: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: freePorts(1, range)[0]! });
  const conns: Deno.Conn[] = [];
  (async () => {
    for await (const conn of listener) {
      conns.push(conn);
      await serve(conn as Deno.TcpConn);
    }
  })().catch(() => {});
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    [Symbol.dispose]() {
      listener.close();
      for (const conn of conns) {
        try {
          conn.close();
        } catch {
          // by what served it
        }
      }
    },
  };
}

Deno.test("dial() says refused where nobody listens, over TCP and unix sockets", async () => {
  const [port] = freePorts(1, range);
  assert.equal((await failure(`127.0.0.1:${port}`)).kind, "refused");
  assert.equal((await failure(`127.0.0.1:${port}`, trusting(undefined))).kind, "refused");
  const path = `${await Deno.makeTempDir()}/gone.sock`;
  const nowhere = await failure(`unix:${path}`);
  assert.deepEqual([nowhere.kind, /no such socket/.test(nowhere.text)], ["refused", true]);
  assert.equal((await failure(`unix:${path}`, trusting(undefined))).kind, "refused");
  // A socket file that outlived its process.
  const left = new Deno.Command("python3", {
    args: ["-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path],
  });
  assert.ok((await left.output()).success);
  assert.equal((await failure(`unix:${path}`)).kind, "refused");
});

Deno.test("dial() says resolve where a name has no address, and where the address is none", async () => {
  assert.equal((await failure("nowhere.invalid:80")).kind, "resolve");
  assert.equal((await failure("nowhere.invalid:80", trusting("unused"))).kind, "resolve");
  for (const address of ["nowhere", "127.0.0.1:0", "127.0.0.1:65536", ":80", "127.0.0.1:x"]) {
    assert.equal((await failure(address)).kind, "resolve", address);
  }
});

Deno.test("dial() gives up at its limit where a listener takes no more connections", async () => {
  const [port] = freePorts(1, range);
  using _listener = Deno.listen(
    { hostname: "127.0.0.1", port: port!, tcpBacklog: 1 } as Deno.TcpListenOptions,
  );
  const waiting: Deno.Conn[] = [];
  try {
    for (let full = false; !full;) {
      const connected = Deno.connect({
        hostname: "127.0.0.1",
        port: port!,
        signal: AbortSignal.timeout(300),
      });
      await connected.then((conn) => waiting.push(conn), () => full = true);
    }
    for (const tls of [undefined, trusting(undefined), trusting("unused")]) {
      const { kind, text, ms } = await failure(`127.0.0.1:${port}`, tls, 500);
      assert.equal(kind, "connect");
      assert.match(text, /no connection within 500 ms/);
      isAbout(ms, 500);
    }
  } finally {
    for (const conn of waiting) conn.close();
  }
});

Deno.test("dial() gives up at its limit where a TLS handshake is never answered", async () => {
  using silent = accepting(() => {});
  for (const tls of [trusting(undefined), trusting("unused")]) {
    const { kind, text, ms } = await failure(silent.address, tls, 400);
    assert.equal(kind, "connect");
    assert.match(text, /no TLS handshake within 400 ms/);
    isAbout(ms, 400);
  }
});

Deno.test("dial() says tls where the other side speaks none, or leaves", async () => {
  using plain = accepting((conn) =>
    conn.write(new TextEncoder().encode("220 welcome to a plain server\r\n"))
  );
  using leaving = accepting((conn) => conn.close());
  for (const tls of [trusting(undefined), trusting("unused")]) {
    assert.equal((await failure(plain.address, tls)).kind, "tls");
    assert.equal((await failure(leaving.address, tls)).kind, "tls");
  }
});

Deno.test("dial() says tls where a certificate is of an unknown CA, of another name, or expired", async () => {
  await using server = await provision("nginxTls", { range });
  await using other = await provision("nginxTls", { range });
  const [port, , expired] = server.ports;
  const ca = await certificate(server, "ca.pem");
  const foreign = await certificate(other, "ca.pem");
  const cases: [string, TlsMaterial, RegExp, string?][] = [
    [`127.0.0.1:${port}`, trusting(undefined), /unable to verify/],
    [`127.0.0.1:${port}`, trusting(foreign), /unable to verify/],
    [`127.0.0.1:${port}`, trusting(ca), /altnames/, "other.test"],
    [`127.0.0.1:${port}`, trusting(ca, { serverName: "other.test" }), /altnames/],
    [`127.0.0.1:${port}`, trusting(ca, { serverName: "127.0.0.2" }), /altnames/],
    [`127.0.0.1:${expired}`, trusting(ca), /expired/],
  ];
  for (const [address, tls, text, name] of cases) {
    const found = await failure(address, tls, plenty, name);
    assert.equal(found.kind, "tls");
    assert.match(found.text, text);
  }
  for (const name of ["a b", "-", "x".repeat(300)]) {
    assert.equal((await failure(`127.0.0.1:${port}`, trusting(undefined), plenty, name)).kind, "tls", name);
  }
});

/** What testdata/dial_in_child.ts says in a process that trusts `root`, with this file as /etc/hosts. */
async function inChild(
  init: { spec: EndpointSpec; tls?: TlsMaterial; timeoutMs?: number },
  options: { root?: string; mounts?: Record<string, string> } = {},
): Promise<string> {
  const { root, mounts = {} } = options;
  const program = new URL("./testdata/dial_in_child.ts", import.meta.url).pathname;
  const run = [Deno.execPath(), "run", "-A", "--no-check", "--unstable-net", program];
  run.push(JSON.stringify({ timeoutMs: plenty, ...init }));
  const mount = Object.entries(mounts).map(([path, file]) => `mount --bind ${file} ${path} && `).join("");
  const [command, ...args] = mount === ""
    ? run
    : ["unshare", "-m", "sh", "-c", `${mount}exec "$0" "$@"`, ...run];
  const child = new Deno.Command(command!, { args, env: root ? { DENO_CERT: root } : {} });
  const { stdout, stderr } = await child.output();
  return decoder.decode(stdout).trim() || decoder.decode(stderr);
}

Deno.test("dial() trusts nobody but tls.ca where that is given, also not whom the runtime trusts", async () => {
  await using server = await provision("nginxTls", { range });
  await using other = await provision("nginxTls", { range });
  const spec = specOf(`127.0.0.1:${server.ports[0]}`);
  const root = `${server.folder}/tls/ca.pem`;
  assert.match(await inChild({ spec, tls: trusting(undefined) }, { root }), /^ok/);
  const foreign = trusting(await certificate(other, "ca.pem"));
  assert.match(await inChild({ spec, tls: foreign }, { root }), /^tls .*unable to verify/);
});

Deno.test("dial() asks by SNI for tls.serverName, the endpoint's own name or its host, and for no address", async () => {
  await using server = await provision("nginxTls", { range });
  const [port] = server.ports;
  const ca = await certificate(server, "ca.pem");
  const name = async (address: string, serverName?: string, declared?: string) =>
    (await ask(specOf(address, serverName), trusting(ca, { serverName: declared }))).split(",")[0];
  assert.equal(await name(`127.0.0.1:${port}`), "200 ");
  assert.equal(await name(`[::1]:${port}`), "200 ");
  assert.equal(await name(`localhost:${port}`), "200 localhost");
  assert.equal(await name(`127.0.0.1:${port}`, "localhost"), "200 localhost");
  assert.equal(await name(`127.0.0.1:${port}`, "second.test"), "200 second.test");
  assert.equal(await name(`127.0.0.1:${port}`, "localhost", "second.test"), "200 second.test");
  assert.equal(await name(`127.0.0.1:${port}`, "second.test", "127.0.0.1"), "200 ");
  assert.equal(await name(`unix:${server.folder}/tls.sock`), "200 localhost");
});

Deno.test("dial() shows its certificate to those who want one, and is refused without", async () => {
  await using server = await provision("nginxTls", { range });
  const spec = specOf(`127.0.0.1:${server.ports[1]}`);
  const ca = await certificate(server, "ca.pem");
  const cert = await certificate(server, "client.pem");
  const key = await certificate(server, "client.key");
  assert.match(await ask(spec, trusting(ca, { cert, key })), /^200 ,CN=client,/);
  assert.match(await ask(spec, trusting(ca, { cert: cert + key, key: cert + key })), /^200 ,CN=client,/);
  assert.match(await ask(spec, trusting(ca)), /^400 /);
});

Deno.test("dial() tells which protocol TLS negotiated", async () => {
  await using server = await provision("nginxTls", { range });
  const [port, , , http2] = server.ports;
  const ca = await certificate(server, "ca.pem");
  for (
    const [to, offered, agreed] of [
      [http2, ["h2"], "h2"],
      [http2, ["http/1.1"], "http/1.1"],
      [port, ["http/1.1"], "http/1.1"],
      [port, [], ""],
    ] as const
  ) {
    const { stream, alpn, tls } = await dial(
      "users",
      specOf(`127.0.0.1:${to}`),
      trusting(ca),
      offered,
      plenty,
    );
    stream.close();
    assert.deepEqual([alpn, tls], [agreed, true]);
  }
  assert.equal(
    await dial("users", specOf(`127.0.0.1:${port}`), trusting(ca), ["h2"], plenty).then(
      ({ stream, alpn }) => (stream.close(), alpn),
      (error) => error.failure,
    ),
    "tls",
    "HTTP/2 alone was offered to one who speaks none",
  );
});

Deno.test("dial() connects over IPv6 and unix sockets without TLS", async () => {
  const [port] = freePorts(1, range);
  const path = `${await Deno.makeTempDir()}/plain.sock`;
  using six = Deno.listen({ hostname: "::1", port: port! });
  using unix = Deno.listen({ transport: "unix", path });
  for (const [listener, address] of [[six, `[::1]:${port}`], [unix, `unix:${path}`]] as const) {
    const [{ stream, tls }, conn] = await Promise.all([
      dial("users", specOf(address), undefined, [], plenty),
      listener.accept(),
    ]);
    assert.equal(tls, false);
    stream.close();
    conn.close();
  }
});

Deno.test("dial() tries all addresses of a name, with TLS too, and is not held up by a silent name server", async () => {
  await using server = await provision("nginxTls", { range });
  const [port] = server.ports;
  const folder = await Deno.makeTempDir();
  const lines = ["127.0.0.7", "127.0.0.8", "127.0.0.1", "::1"].map((one) => `${one} many.test\n`);
  await Deno.writeTextFile(`${folder}/hosts`, lines.join(""));
  const mounts = { "/etc/hosts": `${folder}/hosts` };
  const spec = specOf(`many.test:${port}`, "localhost");
  // nginx listens on two of the four.
  assert.match(await inChild({ spec }, { mounts }), /^ok (127\.0\.0\.1|::1)/);
  assert.match(
    await inChild({ spec, tls: trusting(await certificate(server, "ca.pem")) }, { mounts }),
    /^ok/,
  );
  // 53 is what resolv.conf means; nobody answers there.
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.29.53", port: 53 });
  await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.29.53\n");
  mounts["/etc/resolv.conf" as keyof typeof mounts] = `${folder}/resolv.conf`;
  for (const tls of [undefined, trusting("unused")]) {
    const said = await inChild({ spec: specOf("slow.test:80"), tls, timeoutMs: 500 }, { mounts });
    const [, kind, ms] = /^(\w+) (\d+)/.exec(said) ?? assert.fail(said);
    assert.equal(kind, "connect");
    isAbout(Number(ms), 500);
  }
  silent.close();
});

Deno.test("dial() takes a connection that came about while this process had no turn", async () => {
  using server = accepting(() => {});
  let taken = 0;
  for (let n = 0; n < 50; n++) {
    const dialling = dial("users", specOf(server.address), undefined, [], 5);
    for (const until = performance.now() + 10; performance.now() < until;);
    await dialling.then(({ stream }) => {
      taken++;
      stream.close();
    }, () => {});
  }
  // On a crowded machine some really come too late; if turns were not counted, hardly one would be taken.
  assert.ok(taken >= 35, `${taken} of 50`);
});

Deno.test("dial() leaves no descriptor behind, however it ends", async () => {
  await using server = await provision("nginxTls", { range });
  const [port, , expired] = server.ports;
  const [nobody] = freePorts(1, range);
  using silent = accepting(() => {});
  using plain = accepting((conn) =>
    conn.write(new TextEncoder().encode("220 plain\r\n")).then(() => conn.close())
  );
  const ca = await certificate(server, "ca.pem");
  const ways: [string, TlsMaterial | undefined, string?][] = [
    [`127.0.0.1:${port}`, undefined],
    [`127.0.0.1:${port}`, trusting(ca)],
    [`127.0.0.1:${port}`, trusting(undefined)],
    [`127.0.0.1:${port}`, trusting(undefined), "a b"],
    [`127.0.0.1:${port}`, trusting(ca), "other.test"],
    [`127.0.0.1:${expired}`, trusting(ca)],
    [`127.0.0.1:${nobody}`, undefined],
    [`127.0.0.1:${nobody}`, trusting(ca)],
    [plain.address, trusting(undefined)],
    [plain.address, trusting(ca)],
    [silent.address, trusting(undefined)],
    [silent.address, trusting(ca)],
    [`unix:${server.folder}/tls.sock`, trusting(ca)],
    [`unix:${server.folder}/none.sock`, undefined],
  ];
  const round = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => {
      const [address, tls, name] = ways[i % ways.length]!;
      const timeoutMs = address === silent.address ? 20 + (i % 7) : plenty;
      return dial("users", specOf(address, name), tls, [], timeoutMs).then(
        ({ stream }) => stream.close(),
        () => {},
      );
    }));
  const mine = async () => {
    // What the listeners of this test accepted is theirs; what is closed goes with a later turn of the loop.
    for (let n = 0, last = -1; n < 50 && last !== descriptors(); n++) {
      last = descriptors();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const sockets = [...Deno.readDirSync("/proc/self/fd")].length;
    return sockets - established(silent.address);
  };
  await round(45);
  const before = await mine();
  for (let n = 0; n < 20; n++) await round(50);
  const after = await mine();
  assert.ok(after <= before + 2, `${before} descriptors before, ${after} after`);
});

/** Connections that this process has accepted on `address` and not closed. Linux. */
function established(address: string): number {
  const port = Number(address.split(":")[1]).toString(16).toUpperCase().padStart(4, "0");
  const lines = Deno.readTextFileSync("/proc/net/tcp").split("\n");
  // 01 ESTABLISHED, 08 CLOSE_WAIT
  return lines.filter((line) => new RegExp(`^\\s*\\d+: \\w+:${port} \\w+:\\w+ 0[18]`).test(line)).length;
}
