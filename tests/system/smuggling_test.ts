/**
 * Request smuggling through the proxy, with a real nginx behind it that writes down what reaches it. For every probe: what
 * arrives is what may arrive, whole and in order, and the next client's request arrives as it was sent.
 */
import assert from "node:assert/strict";
import { serve } from "../../core/worker/testdata/serve.ts";
import { provision } from "../provision.ts";
import { type Probe, probes } from "./smuggling_probes.ts";

const range = { from: 21_600, to: 22_399 };
const limitMs = 10_000;

/** A line of nginx's. */
interface Seen {
  status: string;
  request: string;
  http_host: string;
  request_body: string;
}

/** Sends `bytes` and reads to the end; a server that waits for more is left. */
async function send(port: number, bytes: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const all = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  const sending = (async () => {
    for (let at = 0; at < all.length;) at += await conn.write(all.subarray(at));
    // No more comes: what waits for it ends now.
    await new Promise((resolve) => setTimeout(resolve, 60));
    await conn.closeWrite();
  })().catch(() => {});
  let text = "";
  const buffer = new Uint8Array(65536);
  for (;;) {
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  await sending;
  return text;
}

/** Everything nginx wrote down, once the request for `/victim-<number>` is among it. */
async function seenUpTo(log: string, number: number): Promise<Seen[]> {
  const until = performance.now() + limitMs;
  for (;;) {
    const text = await Deno.readTextFile(log).catch(() => "");
    // What stands behind the last line end is being written.
    const lines = text.split("\n").slice(0, -1);
    const seen = lines.map((line) => JSON.parse(line) as Seen);
    if (seen.some(({ request }) => request.startsWith(`GET /victim-${number} `))) return seen;
    assert.ok(performance.now() < until, `the victim's request ${number} never came`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function reachesOf({ reaches }: Probe, kind: "native" | "node"): readonly string[] {
  return "native" in reaches ? reaches[kind] : reaches;
}

for (const kind of ["native", "node"] as const) {
  Deno.test(`nothing is smuggled through the proxy over ${kind} connections`, async (test) => {
    await using nginx = await provision("nginxSeen", { range });
    const log = `${nginx.folder}/seen.log`;
    const listener = {
      handler: undefined,
      routes: [{ upstream: "users" }],
      accept: { mode: kind === "node" ? "handOff" : "reusePort" },
    };
    // One connection to nginx: what a probe leaves behind on it would be in front of the next request.
    const users = {
      protocol: "http",
      discover: { static: [`127.0.0.1:${nginx.ports[0]}`] },
      pool: { connections: 1, warm: 0, wait: "3s" },
      health: { eject: false },
    };
    await using service = await serve(listener, "", { upstreams: { users } });
    for (const [number, probe] of probes.entries()) {
      const numbered = (text: string) => text.replaceAll("NNN", `${number}`.padStart(3, "0"));
      await test.step(probe.name, async () => {
        const before = (await Deno.readTextFile(log).catch(() => "")).split("\n").length - 1;
        const answer = await send(service.port, numbered(probe.bytes));
        const victim = await fetch(`${service.url}/victim-${number}`, {
          headers: { host: "victim.example" },
        });
        assert.equal(`${victim.status} ${await victim.text()}`, "200 ok", answer);
        const seen = (await seenUpTo(log, number)).slice(before);
        const victims = seen.filter(({ request }) => request.startsWith("GET /victim-"));
        assert.equal(victims.length, 1);
        assert.equal(victims[0]!.request, `GET /victim-${number} HTTP/1.1`);
        const whole = seen.filter((one) => one !== victims[0] && one.status === "200")
          .map(({ request, http_host, request_body }) => {
            const [, method, target] = /^(\S+) (\S+) HTTP\/1.1$/.exec(request) ?? assert.fail(request);
            return `${method} ${target} ${http_host} [${request_body}]`;
          });
        assert.deepEqual(whole, reachesOf(probe, kind).map(numbered), answer);
        // A body that broke off was begun, and dropped there: it is no request.
        for (const { status, request } of seen.filter((one) => one !== victims[0] && one.status !== "200")) {
          assert.match(`${status} ${request}`, /^(?:400|499) POST \/first-\d+ HTTP\/1.1$/, answer);
        }
      });
    }
  });
}
