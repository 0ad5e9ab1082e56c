/** Several workers, one endpoint: who has it, who gets it next; over reloads and deaths. */
import assert from "node:assert/strict";
import { WeirProcess } from "../../tests/system/weir_process.ts";
import { Peer } from "./testdata/peers.ts";
import { handlers, ports, until } from "./testdata/service.ts";

function manifest(listen: string): Record<string, unknown> {
  return {
    service: "standing-by",
    workers: { count: 2, drain: "2s" },
    meta: false,
    listeners: { rep: { protocol: "zmq", socket: "rep", listen, handler: `${handlers}#pid` } },
  };
}

async function ask(peer: Peer, endpoint: string): Promise<number | undefined> {
  const socket = crypto.randomUUID();
  await peer.do({ do: "make", socket, type: "req", connect: [endpoint] });
  await peer.send(socket, "1");
  const [text] = await peer.receiveText(socket, 400) ?? [];
  await peer.do({ do: "close", socket });
  return text === undefined ? undefined : Number(text);
}

async function answers(peer: Peer, endpoint: string, unless = 0): Promise<number> {
  let pid: number | undefined;
  await until(
    "somebody answers",
    async () => (pid = await ask(peer, endpoint)) !== undefined && pid !== unless,
  );
  return pid!;
}

for (const transport of ["tcp", "ipc"]) {
  Deno.test(`zmq on ${transport}: another worker takes over when the one that listens dies, and at reloads`, async () => {
    const folder = await Deno.makeTempDir();
    const [port] = ports(1);
    const endpoint = transport === "tcp" ? `tcp://127.0.0.1:${port}` : `ipc://${folder}/rep.ipc`;
    await using weir = await WeirProcess.start({ manifest: manifest(endpoint) });
    await using peer = await Peer.start("python");
    const first = await answers(peer, endpoint);
    const pids = (await weir.workers()).map(({ pid }) => pid);
    assert.equal(pids.length, 2);
    assert.ok(pids.includes(first));
    assert.equal(await answers(peer, endpoint), first, "the same one");
    Deno.kill(first, "SIGKILL");
    const second = await answers(peer, endpoint);
    assert.notEqual(second, first);
    assert.equal((await weir.reload()).ok, true);
    const third = await answers(peer, endpoint);
    assert.ok((await weir.workers()).map(({ pid }) => pid).includes(third));
    assert.equal(await weir.stop(), 0, weir.text);
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("zmq stands by while an endpoint is another program's, and gets it when that one is gone", async () => {
  const [port] = ports(1);
  const endpoint = `tcp://127.0.0.1:${port}`;
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "other", type: "pull", bind: [endpoint] });
  await using weir = await WeirProcess.start({ manifest: manifest(endpoint) });
  assert.equal(await ask(peer, endpoint), undefined);
  await peer.do({ do: "close", socket: "other" });
  await answers(peer, endpoint);
  assert.equal(await weir.stop(), 0, weir.text);
});

Deno.test("zmq tells the log and the pages who is connected", async () => {
  const [port, metaPort] = ports(2);
  const endpoint = `tcp://127.0.0.1:${port}`;
  const meta = { listen: `127.0.0.1:${metaPort}` };
  await using weir = await WeirProcess.start({ manifest: { ...manifest(endpoint), meta } });
  await using peer = await Peer.start("python");
  await peer.do({ do: "make", socket: "r", type: "req", connect: [endpoint] });
  await peer.send("r", "1");
  assert.ok(await peer.receive("r"));
  const open = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metaPort}/metrics`)).text();
    const values = text.matchAll(/^weir_connections_open\{[^}]*listener="rep"[^}]*\} (\d+)$/gm);
    return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  await until("one is open", async () => await open() === 1);
  const page = await (await fetch(`http://127.0.0.1:${metaPort}/connections`)).text();
  assert.match(page, /rep/);
  assert.match(page, /127\.0\.0\.1/);
  await weir.until("it says so", () => weir.records("peer connected").length === 1);
  await peer.do({ do: "close", socket: "r" });
  await until("none is open", async () => await open() === 0);
  const left = await weir.until("it says that, too", () => weir.records("peer disconnected")[0]);
  assert.equal(left.address, "127.0.0.1");
});
