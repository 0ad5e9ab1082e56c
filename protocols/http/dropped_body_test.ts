import assert from "node:assert/strict";
import { serve } from "../../core/worker/testdata/serve.ts";
import { openSockets } from "../../tests/open_sockets.ts";

const handlers = new URL("./testdata/body_handlers.ts", import.meta.url).pathname;
const encoder = new TextEncoder();

/** Sends pieces of a chunked body without an end, and leaves. */
async function leaveMidway(port: number, pieces: number): Promise<void> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(encoder.encode("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"));
  for (let n = 0; n < pieces; n++) {
    await conn.write(encoder.encode(`2000\r\n${"x".repeat(8192)}\r\n`)).catch(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve, pieces * 2));
  conn.close();
}

for (const name of ["untouched", "begun"]) {
  Deno.test(`a chunked body that its handler left ${name} keeps no connection of a client that left`, async () => {
    await using service = await serve({ handler: `${handlers}#${name}` });
    await leaveMidway(service.port, 1);
    const before = openSockets();
    await Promise.all(Array.from({ length: 40 }, (_, n) => leaveMidway(service.port, 1 + n % 12)));
    for (let n = 0; n < 150 && openSockets() > before; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(openSockets() <= before, `${before} sockets before, ${openSockets()} after`);
  });
}
