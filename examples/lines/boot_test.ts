import assert from "node:assert/strict";
import { bootService } from "../boot_service.ts";

const port = 24300;
const netstringPort = 24302;

Deno.test("examples/lines answers lines and netstrings with the same handler, and stops cleanly", async () => {
  await using service = await bootService("examples/lines/service.yaml", {
    port,
    path: async () => await ask(port, "COUNT\n") === "0\n" && await ask(netstringPort, "5:COUNT,") === "1:0,",
    env: { NETSTRING_PORT: `${netstringPort}` },
  });
  assert.equal(await ask(port, "SET colour blue\nGET colour\r\nGET\nCOUNT\n"), "OK\nblue\nNONE\n1\n");
  assert.equal(await ask(netstringPort, "10:GET colour,5:COUNT,"), "4:blue,1:1,");
  assert.equal(await ask(port, `SET long ${"x".repeat(5000)}\n`), "ERR busy\n");
  assert.equal(await ask(netstringPort, "hello"), "8:ERR busy,");
  assert.equal(await service.stop(), 0, service.output());
});

/** Everything that is answered to `text`; empty where nobody listens. */
async function ask(port: number, text: string): Promise<string> {
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch {
    return "";
  }
  await conn.write(new TextEncoder().encode(text));
  await conn.closeWrite();
  return await new Response(conn.readable).text();
}
