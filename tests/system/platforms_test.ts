import assert from "node:assert/strict";
import { freePort } from "./free_port.ts";
import { handlers, type WeirOptions, WeirProcess } from "./weir_process.ts";

/** How services run on other platforms, forced here. */
const forced: Array<{ name: string; accept: string; modes?: WeirOptions["modes"] }> = [
  { name: "ports that workers share", accept: "reusePort" },
  { name: "connections handed over", accept: "handOff" },
  { name: "statistics by snapshot", accept: "reusePort", modes: { stats: "snapshot" } },
  { name: "control over TCP", accept: "reusePort", modes: { control: "tcp" } },
  { name: "all of another platform", accept: "handOff", modes: { stats: "snapshot", control: "tcp" } },
];

for (const { name, accept, modes } of forced) {
  Deno.test(`HTTP, frames, unix sockets, statistics and reload work with ${name}`, async () => {
    const [port, framesPort, metaPort] = [freePort(), freePort(), freePort()];
    const frames = {
      protocol: "frames",
      framing: { delimiter: "\n", max: "1KiB" },
      handler: `${handlers}#echo`,
      accept: { mode: accept },
    };
    await using weir = await WeirProcess.start({
      manifest: {
        service: "platforms",
        workers: { count: 2, drain: "2s", hang: "500ms" },
        meta: { listen: `127.0.0.1:${metaPort}` },
        listeners: {
          api: { protocol: "http", listen: `127.0.0.1:${port}`, handler: handlers, accept: { mode: accept } },
          lines: { ...frames, listen: `127.0.0.1:${framesPort}` },
          local: { ...frames, listen: "unix:./lines.sock" },
        },
      },
      ...(modes ? { modes } : {}),
    });
    const pids = (await weir.workers()).map(({ pid }) => String(pid));
    for (let i = 0; i < 10; i++) {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      assert.ok(pids.includes(await response.text()));
    }
    const tcp = () => Deno.connect({ hostname: "127.0.0.1", port: framesPort });
    const unix = () => Deno.connect({ transport: "unix", path: `${weir.folder}/lines.sock` });
    const both = async () => [await line(await tcp(), "over tcp"), await line(await unix(), "over a socket")];
    const [overTcp, overUnix] = await both();
    assert.match(overTcp!, /^\d+ over tcp$/);
    assert.match(overUnix!, /^\d+ over a socket$/);
    const metrics = async () => await (await fetch(`http://127.0.0.1:${metaPort}/metrics`)).text();
    const counted = (text: string, listener: string) =>
      [...text.matchAll(
        new RegExp(`^weir_requests_total\\{.*listener="${listener}".*reason="ok".*\\} (\\d+)`, "gm"),
      )]
        .reduce((sum, [, count]) => sum + Number(count), 0);
    // Snapshots come once a second.
    await weir.until("all is counted", async () => {
      const text = await metrics();
      return counted(text, "api") === 10 && counted(text, "lines") === 1 && counted(text, "local") === 1;
    }, 5000);
    assert.equal((await weir.reload()).ok, true);
    const renewed = (await weir.workers()).map(({ pid }) => String(pid));
    assert.ok(renewed.every((pid) => !pids.includes(pid)));
    for (const answer of await both()) assert.ok(renewed.includes(answer.split(" ")[0]!), answer);
    // Totals never go back where they are shared; without that a new process begins anew.
    const total = modes?.stats === "snapshot" ? 1 : 2;
    await weir.until("it counts on", async () => counted(await metrics(), "lines") === total, 5000);
    assert.deepEqual(weir.records("governor 1 hangs"), []);
    assert.equal(await weir.stop(), 0);
    await assert.rejects(Deno.stat(`${weir.folder}/lines.sock`), "the socket file is gone");
  });
}

/** Sends one line and resolves with the one that comes back. */
async function line(conn: Deno.Conn, text: string): Promise<string> {
  try {
    await conn.write(new TextEncoder().encode(`${text}\n`));
    const buffer = new Uint8Array(1024);
    const count = await conn.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0)).trim();
  } finally {
    conn.close();
  }
}
