import assert from "node:assert/strict";
import { connectTcp } from "./connect_tcp.ts";
import { openSockets } from "../tests/open_sockets.ts";

Deno.test("connectTcp() rejects with the signal's reason, or with what the runtime says", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await assert.rejects(
    connectTcp("127.0.0.1", port, AbortSignal.abort("before")),
    (error) => error === "before",
  );
  (await connectTcp("127.0.0.1", port, new AbortController().signal)).close();
  listener.close();
  await assert.rejects(connectTcp("127.0.0.1", port, new AbortController().signal), { code: "ECONNREFUSED" });
});

Deno.test("connectTcp() leaves no socket behind when it is given up at the moment of success", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  (async () => {
    for await (const conn of listener) conn.close();
  })();
  const before = openSockets();
  let given = 0;
  for (let n = 0; n < 300; n++) {
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(), n % 3);
    const end = connectTcp("127.0.0.1", port, giveUp.signal).then((conn) => conn.close(), () => given++);
    for (const until = performance.now() + n % 5; performance.now() < until;);
    await end;
  }
  assert.ok(given > 10, `${given} were given up`);
  for (let n = 0; n < 100 && openSockets() > before; n++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(openSockets(), before);
});
