/**
 * A child for the supervisor's tests: speaks core/control.ts and serves nothing but orders to misbehave. What it does at
 * boot is told by the version in the manifest (`crashAtBoot`, `failAtStart`, `neverReady`, `spinAtBoot`) or by
 * FAKE_WORKER_<id>; while it serves, a request to its first listener names what to do (`/spin`, `/crash`, `/leak`, `/stubborn`).
 * It starts with types, so that lines of the compiled program differ from lines here.
 */
import type { ChannelMessage } from "../../channel.ts";
import type { Drain, StackRequest } from "../../control.ts";
import type { Plan } from "../../manifest/plan.ts";
import { localStatsMemory, openStatsFile } from "../../stats/mod.ts";
import { captureStack } from "../capture_stack.ts";
import { joinSupervisor } from "../join_supervisor.ts";

interface Work {
  rounds: number;
  readonly forEver: boolean;
}

/** The function that hangs; its line is what a test looks for. */
function spinForEver(work: Work): void {
  while (work.forEver) {
    work.rounds++;
  }
}

const hoard: Uint8Array[] = [];
const id = Number(Deno.env.get("WEIR_CHILD_ID"));
const role = Deno.env.get("WEIR_ROLE")!;
const listeners: Deno.Listener[] = [];
let stubborn = false;
let open = 0;
let drainedAt = 0;

Deno.stderr.writeSync(new TextEncoder().encode(`fake ${role} ${id} boots\n`));
const { channel, plan: told } = await joinSupervisor(onMessage);
const plan = told.plan as Plan;
const asked = Deno.env.get(role === "worker" ? `FAKE_WORKER_${id}` : `FAKE_${role.toUpperCase()}`);
const boot = (role === "worker" ? plan.version ?? asked : asked) ?? "";
stubborn = boot === "stubborn";

if (boot === "crashAtBoot") {
  Deno.stderr.writeSync(new TextEncoder().encode("the last words\n"));
  Deno.exit(3);
}
if (boot === "failAtStart") {
  await channel.send({ type: "failed", error: "handler ./missing.ts does not exist" });
  Deno.exit(1);
}
if (boot === "spinAtBoot") spinForEver({ rounds: 0, forEver: true });

const memory = told.stats.path === null ? localStatsMemory(told.worker.slot + 1) : openStatsFile(told.stats.path);
const writer = memory.slot(told.worker.slot).writer({ role, id, generation: told.worker.generation });
const requests = writer.counter("weir_requests_total");
const connections = writer.gauge("weir_connections_open");
setInterval(() => writer.beat(), 20);
if (told.stats.path === null) {
  const send = () => {
    const bytes = btoa(String.fromCharCode(...writer.snapshot()));
    channel.send({ type: "snapshot", slot: told.worker.slot, bytes });
  };
  setInterval(send, 200);
}

if (boot !== "neverReady") {
  const addresses = role === "worker" ? listen() : role === "governor" ? { meta: ["127.0.0.1:1"] } : {};
  channel.send({ type: "ready", addresses });
}

/** Every reusePort listener; answers are one line: who serves. */
function listen(): Record<string, string[]> {
  const addresses: Record<string, string[]> = {};
  for (const [name, listener] of Object.entries(plan.listeners)) {
    if (!("accept" in listener) || listener.accept.mode === "handOff") continue;
    for (const address of listener.listen) {
      if (address.transport === "unix") continue;
      const bound = Deno.listen({ hostname: address.hostname, port: address.port, reusePort: true } as Deno.TcpListenOptions);
      listeners.push(bound);
      (addresses[name] ??= []).push(`${address.hostname}:${(bound.addr as Deno.NetAddr).port}`);
      serve(bound, name);
    }
  }
  if (Deno.env.get("WEIR_IPC") !== undefined) takeSockets();
  return addresses;
}

async function takeSockets(): Promise<void> {
  const { default: process } = await import("node:process");
  process.on("message", (message: ChannelMessage, socket: import("node:net").Socket) => {
    connections.add(1);
    socket.on("close", () => connections.add(-1));
    socket.on("error", () => socket.destroy());
    socket.on("data", (data: Uint8Array) => {
      const line = `${name()} ${message.listener} ${new TextDecoder().decode(data).trim()}\n`;
      socket.write(line);
    });
    socket.resume();
    channel.send({ type: "took" });
  });
}

function name(): string {
  return `${id} ${Deno.pid} ${told.worker.generation} ${Deno.env.get("FAKE_NOTE") ?? ""}`.trim();
}

async function serve(listener: Deno.Listener, name: string): Promise<void> {
  for await (const conn of listener) answer(conn, name);
}

async function answer(conn: Deno.Conn, listener: string): Promise<void> {
  open++;
  const buffer = new Uint8Array(256);
  const count = await conn.read(buffer);
  const order = new TextDecoder().decode(buffer.subarray(0, count ?? 0)).trim();
  requests.add(1);
  const row = writer.inflight.begin(writer.intern(listener), -1, Date.now(), `GET ${order}`);
  if (order === "/spin") spinForEver({ rounds: 0, forEver: true });
  if (order === "/crash") Deno.exit(9);
  if (order === "/leak") for (let n = 0; n < 80; n++) hoard.push(new Uint8Array(1024 * 1024).fill(n));
  if (order === "/stubborn") stubborn = true;
  if (order === "/block") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
  if (order === "/slow") console.log("a slow request began");
  if (order === "/slow") await new Promise((resolve) => setTimeout(resolve, 300));
  await conn.write(new TextEncoder().encode(`${name()}\n`)).catch(() => {});
  writer.inflight.end(row);
  conn.close();
  open--;
}

async function onMessage(message: ChannelMessage): Promise<unknown> {
  if (message.type === "stack") {
    const { inspector, timeoutMs } = message as unknown as StackRequest;
    return await captureStack(inspector, timeoutMs);
  }
  if (message.type === "drain") await drain(message as unknown as Drain);
  else if (message.type !== "state") console.log(`${role} ${id} got ${JSON.stringify(message)}`);
  // It finds them, a little later: the first message comes before there is a channel.
  const found = { type: "endpoints", source: "fake", version: 7 };
  if (message.type === "watchUpstreams") setTimeout(() => channel.send(found), 0);
}

async function drain(message: Drain): Promise<void> {
  const { steer, keepAcceptingMs: keep, drainMs } = message;
  console.log(`${role} ${id} drains ${JSON.stringify({ steer, keep })} within ${drainMs} ms`);
  if (stubborn) return;
  drainedAt = Date.now();
  for (const listener of listeners) listener.close();
  while (open > 0 && Date.now() - drainedAt < message.drainMs) await new Promise((resolve) => setTimeout(resolve, 10));
  const streams = role === "shipper" ? { streams: { full: 3, empty: 0 } } : {};
  await channel.send({ type: "drained", left: open, ...streams });
  Deno.exit(0);
}
