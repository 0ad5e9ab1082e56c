import assert from "node:assert/strict";
import type { Terminal } from "../../core/cli/command.ts";
import { main } from "../../core/cli/main.ts";
import { run } from "../../mod.ts";
import { makeCertificates } from "../../tests/make_certificates.ts";
import { freePorts } from "../../tests/provision.ts";
import { message, stringField } from "../../tests/system/thrift_load.ts";
import { callCommand } from "./call_command.ts";

const here = new URL("testdata/", import.meta.url).pathname;
const idl = `${here}everything.thrift`;
const ports = freePorts(13, { from: 24_150, to: 24_300 });
const freeAddress = () => `127.0.0.1:${ports.pop()!}`;
// `other` is signed by nobody whom the listeners trust.
const folder = await makeCertificates(["localhost", "web", "named"], { named: { names: "DNS:split.test" } });
const foreign = await makeCertificates(["other"]);
globalThis.addEventListener("unload", () => {
  for (const path of [folder, foreign]) Deno.removeSync(path, { recursive: true });
});

const trust = { ca: `${folder}/ca.pem` };
const own = { cert: `${folder}/web.pem`, key: `${folder}/web.key` };

function certified(name: string, clientCa?: string) {
  const files = { cert: `${folder}/${name}.pem`, key: `${folder}/${name}.key` };
  return clientCa ? { ...files, clientCa } : files;
}

function listener(tls: Record<string, unknown> | undefined, more: Record<string, unknown> = {}) {
  return {
    protocol: "thrift",
    listen: freeAddress(),
    idl,
    service: "Test",
    handler: `${here}handler.ts`,
    ...(tls ? { tls } : {}),
    ...more,
  };
}

async function start(manifest: Record<string, unknown>) {
  const service = await run({
    service: "thrift-tls",
    workers: { drain: "100ms" },
    logs: { level: "fatal" },
    meta: false,
    ...manifest,
  }, { inProcess: true });
  await service.ready;
  return service;
}

/** The command line: exit code, and what was printed. */
async function call(address: string, ...args: string[]): Promise<[code: number, text: string]> {
  let text = "";
  const terminal: Terminal = { out: (more) => text += more, err: (more) => text += more, human: false };
  const code = await main(["call", address, idl, ...args], terminal, [callCommand]);
  return [code, text.replace("\n--help lists all commands", "")];
}

const hello = ["hello", '{"name":"bob"}'];
const options = (given: Record<string, string>) =>
  Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);

for (const mode of ["reusePort", "handOff"]) {
  Deno.test(`call reaches thrift listeners with TLS and mutual TLS, accept.mode ${mode}`, async () => {
    const accept = { mode };
    await using service = await start({
      listeners: {
        rpc: listener(certified("localhost"), { accept }),
        mutual: listener(certified("localhost", trust.ca), { accept }),
      },
    });
    const [rpc, mutual] = [service.addresses.rpc![0]!, service.addresses.mutual![0]!];
    for (const how of [[], ["--transport", "framed"], ["--protocol", "compact"], ["--tracking"]]) {
      assert.deepEqual(await call(rpc, ...hello, ...options(trust), ...how), [0, '"hi bob"']);
      assert.deepEqual(await call(mutual, ...hello, ...options({ ...trust, ...own }), ...how), [
        0,
        '"hi bob"',
      ]);
    }
    // Longer than any record of TLS, there and back.
    const long = "x".repeat(300_000);
    const [code, text] = await call(rpc, "hello", JSON.stringify({ name: long }), ...options(trust));
    assert.deepEqual([code, text === `"hi ${long}"`], [0, true]);
    const stranger = { cert: `${foreign}/other.pem`, key: `${foreign}/other.key` };
    for (const given of [trust, { ...trust, ...stranger }]) {
      const [code, text] = await call(mutual, ...hello, ...options(given), "--timeout", "2s");
      assert.equal(code, 3, text);
    }
  });
}

Deno.test("a thrift listener answers openssl, and mod.ts call as a process", async () => {
  await using service = await start({ listeners: { mutual: listener(certified("localhost", trust.ca)) } });
  const address = service.addresses.mutual![0]!;
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_client", "-quiet", "-verify_return_error", "-connect", address],
      ...["-CAfile", trust.ca, "-cert", own.cert, "-key", own.key],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const limit = setTimeout(() => child.kill(), 5000);
  const writer = child.stdin.getWriter();
  await writer.write(message(1, "hello", 7, stringField(1, "bob"), true));
  const expected = message(2, "hello", 7, stringField(0, "hi bob"), true);
  const reader = child.stdout.getReader();
  const got: number[] = [];
  while (got.length < expected.length) {
    const { done, value } = await reader.read();
    if (done) break;
    got.push(...value);
  }
  clearTimeout(limit);
  assert.deepEqual(got, [...expected]);
  await writer.close();
  await reader.cancel();
  // It stays for as long as the server does.
  child.kill();
  await child.status;

  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "call", address, idl, ...hello, ...options({ ...trust, ...own })],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.deepEqual([code, text(stdout), text(stderr)], [0, '"hi bob"\n', ""]);
});

Deno.test("call says what is wrong with a certificate, and takes no files that hold none", async () => {
  await using service = await start({
    listeners: {
      rpc: listener(certified("localhost")),
      named: listener(certified("named")),
      plain: listener(undefined),
    },
  });
  const [rpc, named, plain] = ["rpc", "named", "plain"].map((name) => service.addresses[name]![0]!) as [
    string,
    string,
    string,
  ];
  const wrong: Array<[code: number, address: string, given: string[], text: RegExp]> = [
    [3, rpc, ["--tls"], /^Cannot connect to 127\.0\.0\.1:\d+: unable to verify/],
    [
      3,
      rpc,
      ["--ca", `${foreign}/ca.pem`],
      /^Cannot connect to 127\.0\.0\.1:\d+: .*(verify|signature|certificate)/,
    ],
    [3, named, ["--ca", trust.ca], /^Cannot connect to 127\.0\.0\.1:\d+: .*altnames/],
    [3, plain, ["--ca", trust.ca, "--timeout", "1s"], /^Cannot connect to 127\.0\.0\.1:\d+: /],
    [3, rpc, ["--timeout", "1s"], /127\.0\.0\.1:\d+/],
    [2, rpc, ["--ca", `${folder}/none.pem`], /none\.pem/],
    [2, rpc, ["--ca", own.key], /^Cannot use .*web\.key: there is no certificate in it$/],
    [
      2,
      rpc,
      ["--cert", own.cert],
      /^Cannot use .*web\.pem: there is no private key without a passphrase in it$/,
    ],
    [2, rpc, ["--cert", own.cert, "--key", `${foreign}/other.key`], /is the key of another certificate$/],
    [2, rpc, ["--key", own.key], /^`--key` needs the certificate that it belongs to/],
  ];
  for (const [expected, address, given, pattern] of wrong) {
    const [code, text] = await call(address, ...hello, ...given);
    assert.equal(code, expected, `${given}: ${text}`);
    assert.match(text, pattern, `${given}`);
  }
  const under = ["--server-name", "split.test"];
  assert.deepEqual(await call(named, ...hello, ...options(trust), ...under), [0, '"hi bob"']);
});

Deno.test("a thrift upstream speaks TLS, shows its certificate, and tells its service to nobody else", async () => {
  await using rpc = await start({
    listeners: {
      rpc: listener(certified("localhost")),
      mutual: listener(certified("localhost", trust.ca)),
      // Whom the certificate names may call, and nobody else.
      web: listener(certified("localhost", trust.ca), { access: { allow: ["subject:web"] } }),
      another: listener(certified("localhost", trust.ca), { access: { allow: ["subject:another"] } }),
    },
  });
  const upstream = (name: string, tls: Record<string, unknown> | undefined, thrift = {}) => ({
    protocol: "thrift",
    thrift: { idl, service: "Test", ...thrift },
    discover: { static: [rpc.addresses[name]![0]!] },
    timeouts: { connect: "1s", attempt: "1s", total: "2s" },
    ...(tls ? { tls } : {}),
  });
  const upstreams = {
    server: upstream("rpc", trust),
    framed: upstream("rpc", trust, { transport: "framed", protocol: "compact" }),
    mutual: upstream("mutual", { ...trust, ...own }),
    allowed: upstream("web", { ...trust, ...own }),
    // What follows is not served.
    denied: upstream("another", { ...trust, ...own }),
    plain: upstream("rpc", undefined),
    untrusted: upstream("rpc", { ca: `${foreign}/ca.pem` }),
    misnamed: upstream("rpc", { ...trust, serverName: "split.test" }),
    nobody: upstream("mutual", trust),
    stranger: upstream("mutual", { ...trust, cert: `${foreign}/other.pem`, key: `${foreign}/other.key` }),
  };
  await using web = await start({
    listeners: {
      web: { protocol: "http", listen: freeAddress(), handler: `${here}call_any.ts` },
    },
    upstreams,
  });
  const ask = async (name: string) => await (await fetch(`http://${web.addresses.web![0]}/${name}`)).json();
  for (const name of ["server", "framed", "mutual", "allowed"]) {
    for (let n = 0; n < 3; n++) assert.deepEqual(await ask(name), { reply: "hi bob" }, name);
  }
  for (const name of ["untrusted", "misnamed"]) {
    assert.equal((await ask(name)).failure, "tls", name);
  }
  const { name, message } = await ask("denied");
  assert.deepEqual([name, message], ["ApplicationException", "forbidden: access is denied"]);
  // TLS 1.3: the client is through with the handshake before the server has looked at its certificate.
  for (const name of ["nobody", "stranger"]) {
    const { failure } = await ask(name);
    assert.ok(["connect", "reset", "tls"].includes(failure), `${name}: ${failure}`);
  }
  // To the plain one, an alert of TLS is a reply that makes no sense.
  const { failure } = await ask("plain");
  assert.ok(["protocol", "reset"].includes(failure), failure);
});
