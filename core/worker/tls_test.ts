import assert from "node:assert/strict";
import { makeCertificates } from "../../tests/make_certificates.ts";
import { serve, total } from "./testdata/serve.ts";

async function curl(args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout } = await new Deno.Command("curl", { args: ["-s", "-m", "10", ...args] }).output();
  return { code, text: new TextDecoder().decode(stdout) };
}

Deno.test("a TLS listener serves HTTP/1.1 and HTTP/2, counts failed handshakes and cuts silent ones", async () => {
  const folder = await makeCertificates(["localhost"]);
  await using service = await serve({
    tls: { cert: `${folder}/localhost.pem`, key: `${folder}/localhost.key` },
    accept: { firstByte: "500ms" },
  });
  const url = `https://localhost:${service.port}/x`;
  const trust = ["--cacert", `${folder}/ca.pem`];
  const print = ["-w", " %{http_version}"];
  assert.equal((await curl([...trust, ...print, "--http1.1", url])).text, "hello /x 1.1");
  assert.equal((await curl([...trust, ...print, "--http2", url])).text, "hello /x 2");
  const silent = await Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  const started = performance.now();
  assert.equal(await silent.read(new Uint8Array(16)).catch(() => null), null);
  assert.ok(performance.now() - started < 1000);
  silent.close();
  assert.equal(total(service.memory, "weir_connections_closed_total", { reason: "tls_timeout" }), 1);
  await curl([`http://localhost:${service.port}/`]);
  assert.ok(total(service.memory, "weir_connections_closed_total", { reason: "tls_failed" }) >= 1);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a listener with clientCa takes only certified clients and knows their names", async () => {
  const folder = await makeCertificates(["localhost", "web"]);
  await using service = await serve({
    tls: { cert: `${folder}/localhost.pem`, key: `${folder}/localhost.key`, clientCa: `${folder}/ca.pem` },
  }, "client");
  const url = `https://localhost:${service.port}/`;
  const trust = ["--cacert", `${folder}/ca.pem`];
  const web = ["--cert", `${folder}/web.pem`, "--key", `${folder}/web.key`];
  assert.equal((await curl([...trust, ...web, url])).text, "web");
  assert.notEqual((await curl([...trust, url])).code, 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a certificate without its key is refused before anything is bound", async () => {
  const folder = await makeCertificates(["localhost", "other"]);
  const tls = { cert: `${folder}/localhost.pem`, key: `${folder}/other.key` };
  await assert.rejects(serve({ tls }));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("TLS over node sockets bounds handshakes in time and number, and a drain waits for them", async () => {
  const folder = await makeCertificates(["localhost"]);
  const service = await serve({
    tls: { cert: `${folder}/localhost.pem`, key: `${folder}/localhost.key` },
    accept: { mode: "handOff", firstByte: "600ms", connections: 2 },
  });
  const connect = () => Deno.connect({ port: service.port, hostname: "127.0.0.1" });
  const silent = [await connect(), await connect()];
  const started = performance.now();
  const closed = silent.map(async (conn) => {
    assert.equal(await conn.read(new Uint8Array(16)).catch(() => null), null);
    conn.close();
    return performance.now() - started;
  });
  const third = await connect();
  assert.equal(await third.read(new Uint8Array(16)).catch(() => null), null, "two handshakes are under way");
  third.close();
  for (const ms of await Promise.all(closed)) assert.ok(ms > 500 && ms < 900, `cut after ${ms} ms`);
  const count = (reason: string) => total(service.memory, "weir_connections_closed_total", { reason });
  assert.deepEqual([count("tls_timeout"), count("connections_full")], [2, 1]);
  const late = await connect();
  const drained = service.worker.drain({ keepAcceptingMs: 0, drainMs: 3000, steer: null });
  await assert.rejects(async () => {
    for (;; await new Promise((resolve) => setTimeout(resolve, 30))) (await connect()).close();
  });
  const conn = await Deno.startTls(late, {
    hostname: "localhost",
    caCerts: [await Deno.readTextFile(`${folder}/ca.pem`)],
  });
  await conn.write(new TextEncoder().encode("GET /late HTTP/1.1\r\nhost: localhost\r\n\r\n"));
  const buffer = new Uint8Array(4096);
  const length = await conn.read(buffer);
  assert.match(
    new TextDecoder().decode(buffer.subarray(0, length ?? 0)),
    /^HTTP\/1\.1 200 [^]*connection: close/i,
  );
  conn.close();
  assert.equal(await drained, 0);
  await Deno.remove(folder, { recursive: true });
});
