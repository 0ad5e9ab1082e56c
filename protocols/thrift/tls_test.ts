import assert from "node:assert/strict";
import type { Terminal } from "../../core/cli/command.ts";
import { main } from "../../core/cli/main.ts";
import { run } from "../../mod.ts";
import { makeCertificates } from "../../tests/make_certificates.ts";
import { freePorts } from "../../tests/provision.ts";
import { callCommand } from "./call_command.ts";

const here = new URL("testdata/", import.meta.url).pathname;
const idl = `${here}everything.thrift`;
const range = { from: 24_150, to: 24_300 };
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
  const [port] = freePorts(1, range);
  return {
    protocol: "thrift",
    listen: `127.0.0.1:${port}`,
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
