import assert from "node:assert/strict";
import { sendLoad } from "./load.ts";

function options(port: number) {
  return {
    ...{ hostname: "127.0.0.1", port, path: "/", connections: 4, goodMs: 1000 },
    ...{ rate: 400, seconds: 0.25, warmSeconds: 0.05 },
  };
}

Deno.test("sendLoad() tells answers, refusals and failures apart and leaves the warm-up out", async () => {
  let count = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    const status = [200, 503, 500, 200][count++ % 4];
    return new Response("x", { status });
  });
  const report = await sendLoad(options(server.addr.port));
  assert.equal(count, 120);
  assert.equal(report.offered, 100);
  assert.equal(report.lost, 0);
  assert.equal(report.ok.count + report.refused.count + report.failed, 100);
  assert.ok(
    report.ok.count >= 45 && report.refused.count >= 20 && report.failed >= 20,
    JSON.stringify(report),
  );
  assert.equal(report.goodPerSecond, report.ok.count / 0.25);
});

Deno.test("sendLoad() charges a stall to every request that was due meanwhile", async () => {
  const stalled = Promise.withResolvers<void>();
  let count = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async () => {
    // From the warm-up's end on nobody is answered for a while: with 4 connections a closed loop would see 4 slow ones.
    if (count++ === 20) setTimeout(() => stalled.resolve(), 350);
    if (count > 20) await stalled.promise;
    return new Response("x");
  });
  const report = await sendLoad(options(server.addr.port));
  assert.equal(report.ok.count, 100);
  assert.ok(report.ok.p50 > 100, JSON.stringify(report));
});

Deno.test("sendLoad() counts what a broken connection took with it and goes on", async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  let accepted = 0;
  const accepting = (async () => {
    for await (const conn of listener) {
      accepted++;
      serveOnce(conn);
    }
  })();
  const report = await sendLoad(options((listener.addr as Deno.NetAddr).port));
  listener.close();
  await accepting;
  assert.ok(accepted > 50, String(accepted));
  assert.ok(report.failed >= 40, JSON.stringify(report));
  assert.equal(report.ok.count + report.failed, 100);
});

/** Answers the first request and hangs up on the second. */
async function serveOnce(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  if (await conn.read(buffer) !== null) {
    await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"));
    await conn.read(buffer);
  }
  conn.close();
}
