/** Listeners whose endpoints come from an upstream's discovery. */
import assert from "node:assert/strict";
import { seen } from "./testdata/handlers.ts";
import { Peer } from "./testdata/peers.ts";
import { handlers, ports, TestService, until } from "./testdata/service.ts";

Deno.test("zmq connects to the endpoints of an upstream as they come and go", async () => {
  const numbers = ports(2);
  const folder = await Deno.makeTempDir();
  const file = `${folder}/endpoints.yaml`;
  const write = async (...known: number[]) => {
    await Deno.writeTextFile(`${file}.new`, known.map((port) => `- 127.0.0.1:${port}\n`).join(""));
    await Deno.rename(`${file}.new`, file);
  };
  const [first, second] = numbers as [number, number];
  await write(first);
  await using peer = await Peer.start("python");
  for (const port of numbers) {
    await peer.do({ do: "make", socket: `${port}`, type: "push", bind: [`tcp://127.0.0.1:${port}`] });
  }
  await using _service = await TestService.start({
    listeners: { pull: { socket: "pull", connect: "work", handler: `${handlers}#keep` } },
    upstreams: { work: { discover: { file }, zmq: { socket: "none" } } },
  });
  const sends = async (port: number) => {
    const { sent } = await peer.do({ do: "trySend", socket: `${port}`, parts: [btoa(`${port}`)], count: 1 });
    return sent === 1;
  };
  await until("the first is connected", () => sends(first));
  await until("its message comes", () => seen.splice(0).some(({ value }) => value === first));
  assert.equal(await sends(second), false);
  await write(first, second);
  await until("the second is connected", () => sends(second));
  assert.equal(await sends(first), true, "the first still is");
  await until("both come", () => seen.length === 2);
  await write(second);
  await until("the first is let go", async () => !await sends(first));
  assert.equal(await sends(second), true);
  await Deno.remove(folder, { recursive: true });
});
