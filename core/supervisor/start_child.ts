/** The first half of a child's life: spawned, told its plan, ready, in the groups that share its ports. */
import type { Socket } from "node:net";
import type { Channel, ChannelMessage } from "../channel.ts";
import { jitter } from "../clock.ts";
import type { Hello, PlanMessage, Ready, Role, WatchUpstreams } from "../control.ts";
import { Child } from "./child.ts";
import { handedOver } from "./handed_over.ts";
import { openAcceptor } from "./open_acceptor.ts";
import type { ServiceState } from "./service_state.ts";
import { type ChildProcess, spawnChild } from "./spawn_child.ts";

/** Governor and shipper step back behind the workers by this much niceness. */
const niceStep = 5;
/** How long a process that has ended may hold up its exit with words that are still in the pipe. */
const lastWordsMs = 100;
/** From the end of its channel to the end of a process. */
const goodbyeMs = 500;

/** Starts a process for a seat; it shows up in `state.children` at once. */
export function startChild(
  state: ServiceState,
  { role, id, generation }: { role: Role; id: number; generation: number },
  serial: number,
): void {
  const now = state.clock.now();
  const slot = state.memory.take(`${role} ${id}`);
  if (slot < 0) {
    state.seat(role, id).notBefore = now + 1000;
    return state.log.error(`${role} ${id} cannot start: no slot in the statistics memory is free`);
  }
  const child = new Child({ serial, role, id, generation, slot }, now, state.clock.epoch());
  state.children.set(serial, child);
  if (role === "shipper") state.shipped = false;
  const plan = state.plans.get(generation)!;
  const ipc = role === "worker" && handedOver(plan).length > 0;
  const { entries, env } = state.options;
  spawnChild({
    entry: entries[role as keyof typeof entries],
    env: {
      ...env,
      WEIR_CONTROL: state.control.address,
      WEIR_TOKEN: child.token,
      WEIR_CHILD_ID: String(id),
      WEIR_ROLE: role,
      WEIR_SUPERVISOR: String(Deno.pid),
      // The runtime takes its own variable for this out of the environment.
      ...(ipc ? { WEIR_IPC: "1" } : {}),
    },
    nice: plan.workers.nice + (role === "worker" ? 0 : niceStep),
    ipc,
  }).then((process) => follow(state, child, process), (error) => {
    child.detail = String(error);
    state.queue.push({ type: "exit", serial, exit: { code: -1, signal: "" } });
  });
}

function follow(state: ServiceState, child: Child, process: ChildProcess): void {
  child.process = process;
  child.pid = process.pid;
  child.vitals = state.memory.vitals(child.slot, process.pid);
  child.requestsBefore = child.vitals.requests;
  if (child.killed) process.kill();
  const read = [
    child.output.read(process.stdout, "stdout", (bytes) => state.stdout.write(bytes)),
    child.output.read(process.stderr, "stderr", (bytes) => state.stderr.write(bytes)),
  ];
  process.exited.then(async (exit) => {
    // A grandchild that holds the pipe open must not hold us up.
    const words = [...read, child.channel && child.silent.promise];
    await Promise.race([Promise.all(words), new Promise((resolve) => setTimeout(resolve, lastWordsMs))]);
    state.queue.push({ type: "exit", serial: child.serial, exit });
  });
}

/** A child connected: its plan is sent, its messages go to the queue. Undefined when nobody expects it. */
export function adoptChild(
  state: ServiceState,
  hello: Hello,
  channel: Channel,
  command: (message: ChannelMessage) => Promise<unknown>,
): ((message: ChannelMessage) => unknown) | undefined {
  const child = state.all().find(({ token }) => token === hello.token);
  if (child === undefined || child.channel !== undefined) return undefined;
  child.channel = channel;
  child.inspector = hello.inspector ?? "";
  const plan = state.plans.get(child.generation)!;
  const message: PlanMessage = {
    type: "plan",
    plan: state.addresses.pin(plan),
    worker: { id: child.id, slot: child.slot, generation: child.generation, of: plan.workers.count },
    stats: { path: state.memory.path },
    runtimeFolder: state.folder.path,
    label: child.name,
    terminal: state.options.terminal ?? false,
  };
  channel.send({ ...message });
  if (child.role === "worker") {
    for (const command of state.standing.of(plan.upstreams)) channel.send({ ...command });
  }
  if (child.role === "governor") {
    channel.send({ ...state.status() });
    watchUpcoming(state, channel);
  }
  return (received) => {
    // The governor's pages may give the same commands as the command line.
    if (received.request !== undefined) return command(received);
    // Once per connection, and nothing to judge: the acceptor alone is concerned.
    if (received.type === "took") return child.took();
    state.queue.push({ type: "message", serial: child.serial, message: received });
  };
}

/** Tells the governor whose endpoints the generation that a reload is starting will need; nobody's where there is none. */
export function watchUpcoming(state: ServiceState, channel = state.governor?.channel): void {
  const { next } = state.goal;
  const upstreams = next === null ? {} : state.plans.get(next.generation)!.upstreams;
  channel?.send({ type: "watchUpstreams", upstreams } satisfies WatchUpstreams);
}

/** The channel of a child ended. */
export function channelLost(state: ServiceState, channel: Channel): void {
  const child = state.all().find((each) => each.channel === channel);
  child?.silent.resolve();
  // A process that cannot be talked to cannot be drained or watched either. Most often it is exiting just now.
  if (child !== undefined && child.state !== "draining") {
    state.clock.after(goodbyeMs, () => child.process?.kill());
  }
}

/** It has bound these addresses: the kernel counts it as the last member of their groups. */
export function childListens(state: ServiceState, child: Child, addresses: Ready["addresses"]): void {
  if (child.role !== "worker") return;
  const shared = Object.values(addresses).flat().filter((text) => text !== "" && !text.startsWith("unix:"));
  state.groups.join(child.serial, shared);
  child.listening = state.groups.has(child.serial);
  state.steeringStale = true;
}

/** It serves. */
export function childReady(state: ServiceState, child: Child, addresses: Ready["addresses"]): void {
  if (child.state !== "starting") return;
  const { clock } = state;
  const { age, requests } = state.plans.get(child.generation)!.workers;
  child.state = "ready";
  child.readyAt = clock.now();
  child.readyEpoch = clock.epoch();
  child.addresses = addresses;
  child.vitals?.watch();
  if (child.generation === state.goal.generation) state.addresses.bind(addresses);
  if (child.role === "worker") {
    if (age > 0) child.maxAgeMs = jitter(clock, age, 0.1);
    if (requests > 0) child.maxRequests = jitter(clock, requests, 0.1);
    childListens(state, child, addresses);
    state.everReady = true;
    handTo(state, child);
  }
  const tookMs = Math.round(child.readyAt - child.startedAt);
  state.log.info(`${child.name} is ready`, { childPid: child.pid, tookMs });
}

/** Connections that the supervisor accepts may go to this worker. */
function handTo(state: ServiceState, child: Child): void {
  const sendSocket = child.process?.sendSocket;
  if (sendSocket === undefined) return;
  const send = (message: Record<string, unknown>, socket: Socket) =>
    new Promise<boolean>((resolve) => {
      child.took = () => resolve(true);
      sendSocket(message, socket).then((sent) => sent || resolve(false));
    });
  const plan = state.plans.get(child.generation)!;
  openAcceptor(state, plan).then((acceptor) => {
    if (child.state !== "ready") return;
    const listeners = new Set(handedOver(plan).map(({ listener }) => listener));
    acceptor.add({ serial: child.serial, listeners, connections: () => child.vitals?.connections, send });
  }, (error) => state.queue.push({ type: "fault", message: `Cannot listen: ${error.message}` }));
}
