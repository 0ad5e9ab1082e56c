import assert from "node:assert/strict";
import { freePort } from "./free_port.ts";
import { makeCertificates } from "../make_certificates.ts";
import { accessToFile, handlers, WeirProcess } from "./weir_process.ts";

const request = (path: string) => new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);

/** Reads what comes, no faster than about 10 MiB/s, until the connection ends or a whole answer is there. */
async function readSlowly(conn: Deno.Conn, begun: () => void): Promise<number> {
  using _conn = conn;
  const memory = new Uint8Array(64 * 1024);
  let bytes = 0;
  for (let count = 0; count !== null && bytes < 25_000_000;) {
    count = await conn.read(memory) as number;
    bytes += count ?? 0;
    if (bytes > 1_000_000) begun();
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  return bytes;
}

for (const mode of ["reusePort", "handOff", "TLS"]) {
  Deno.test(`a slow reader gets all of a large answer, whatever becomes of its worker (${mode})`, async () => {
    const port = freePort();
    const folder = await makeCertificates(["server"]);
    const tls = { cert: `${folder}/server.pem`, key: `${folder}/server.key` };
    const caCerts = [await Deno.readTextFile(`${folder}/ca.pem`)];
    await using weir = await WeirProcess.start({
      manifest: {
        service: "slow-reader",
        workers: { count: 2, drain: "20s" },
        meta: { listen: `127.0.0.1:${freePort()}` },
        logs: accessToFile,
        listeners: {
          api: {
            protocol: "http",
            listen: `127.0.0.1:${port}`,
            handler: handlers,
            ...(mode === "TLS" ? { tls } : { accept: { mode } }),
          },
        },
      },
    });
    // Both are in the middle of their answers.
    const readers = await Promise.all(["/large", "/large-stream"].map(async (path) => {
      const to = { hostname: "127.0.0.1", port };
      const conn = mode === "TLS"
        ? await Deno.connectTls({ ...to, hostname: "localhost", caCerts })
        : await Deno.connect(to);
      await conn.write(request(path));
      const begun = Promise.withResolvers<void>();
      const bytes = readSlowly(conn, begun.resolve);
      await Promise.race([begun.promise, bytes]);
      return { bytes };
    }));
    const before = (await weir.workers()).map(({ pid }) => pid);
    assert.equal((await weir.reload()).ok, true);
    assert.ok((await weir.workers()).every(({ pid }) => !before.includes(pid)));
    for (const { bytes } of readers) assert.ok(await bytes > 25_000_000, `${await bytes} bytes`);
    assert.equal(await weir.stop(), 0, weir.text);
    await Deno.remove(folder, { recursive: true });
  });
}
