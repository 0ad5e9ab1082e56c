/**
 * The supervisor: one loop over one queue of events. Each event changes what is known; then reconcile() is asked what
 * to do until nothing is left to do. No user code runs here, no request passes through (but for handed-over
 * connections, unread), no third-party client is loaded: it must be too simple to fail.
 */
import type { Channel, ChannelMessage } from "../channel.ts";
import { type Clock, jitter, systemClock } from "../clock.ts";
import type { Log } from "../context.ts";
import type {
  Hello,
  LogLevel,
  PlanMessage,
  Ready,
  ReloadAnswer,
  Role,
  StackAnswer,
  StacksAnswer,
  SupervisorState,
} from "../control.ts";
import { createLogging, type Logging } from "../log/logging.ts";
import { diffPlans } from "../manifest/diff_plans.ts";
import type { Plan } from "../manifest/plan.ts";
import {
  chooseStatsMode,
  createStatsFile,
  localStatsMemory,
  openStatsFile,
  statsFilePath,
  type StatsMemory,
} from "../stats/mod.ts";
import { Acceptor } from "./acceptor.ts";
import { backoffMs, failuresAfter } from "./backoff.ts";
import { formatFrame } from "./capture_stack.ts";
import { Child } from "./child.ts";
import { consoleLines } from "./console_lines.ts";
import { type ControlServer, listenControl } from "./control_server.ts";
import type { Asker, Compiled, SupervisorEvent } from "./event.ts";
import { EventQueue } from "./event_queue.ts";
import { type ExitCode, exitCodes } from "./exit_code.ts";
import { ExitHistory } from "./exit_history.ts";
import { handedOver } from "./handed_over.ts";
import { Output } from "./output.ts";
import { pinPorts } from "./pin_ports.ts";
import { type Action, type Actual, type Goal, reconcile } from "./reconcile.ts";
import { claimRuntimeFolder, cleanStaleFolders, type RuntimeFolder } from "./runtime_folder.ts";
import { Slots } from "./slots.ts";
import { type ProcessExit, spawnChild } from "./spawn_child.ts";
import { stackOf } from "./stack_of.ts";
import { SteeringGroups } from "./steering_groups.ts";
import { Vitals } from "./vitals.ts";

/** Entry modules of the children, as URLs or paths. */
export interface Entries {
  worker: string;
  governor: string;
}

/** How a service is supervised. Everything but the plan has a default. */
export interface SupervisorOptions {
  plan: Plan;
  /** Folder of this service at run time; see runtime_folder.ts. */
  runtimeFolder: string;
  entries: Entries;
  /** Weir's own version, for status. */
  weir: string;
  /** Compiles the manifest again, for reload. Without it a reload starts the same plan anew. */
  compile?: () => Promise<Compiled> | Compiled;
  /** Added to the children's environment. */
  env?: Record<string, string>;
  clock?: Clock;
  /** "snapshot": as where files cannot be mapped. */
  stats?: "auto" | "snapshot";
  /** "tcp": as where there are no unix sockets. */
  control?: "unix" | "tcp";
  /** Longest time from start to ready of one worker. */
  startTimeoutMs?: number;
  /** Where the children's output and the supervisor's lines go. */
  stdout?: Output;
  stderr?: Output;
  /** People read stdout at a terminal. */
  terminal?: boolean;
}

/** How the service ended. */
export interface Ending {
  code: ExitCode;
  /** Why, when it did not end as it was told to. */
  message: string;
}

interface SeatState {
  role: Role;
  id: number;
  failures: number;
  notBefore: number;
}

const tickMs = 100;
const rssEveryMs = 1000;
const silentMs = 250;
/** On top of `workers.drain`, for the goodbye itself. */
const drainMarginMs = 1000;
const governorDrainMs = 2000;
/** From the end of its channel to the end of a process. */
const goodbyeMs = 500;
const mostPasses = 100;

/** One running service. */
export class Supervisor {
  /** Resolves when all processes are ready for the first time; rejects when the service ends before that. */
  readonly ready: Promise<void>;
  /** Resolves when everything is stopped and cleaned up. */
  readonly ended: Promise<Ending>;
  readonly #options: SupervisorOptions;
  readonly #clock: Clock;
  readonly #queue = new EventQueue<SupervisorEvent>();
  readonly #children = new Map<number, Child>();
  readonly #seats = new Map<string, SeatState>();
  readonly #groups = new SteeringGroups();
  readonly #exits = new ExitHistory();
  readonly #plans = new Map<number, Plan>();
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #startedEpoch: number;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Ending>();
  #goal: Goal;
  #logging: Logging | undefined;
  #log!: Log;
  #slots = new Slots(0);
  #slotCount = 0;
  #memory: StatsMemory | undefined;
  #statsPath: string | null = null;
  #folder: RuntimeFolder | undefined;
  #control: ControlServer | undefined;
  #acceptor: Acceptor | undefined;
  /** Where workers (and the governor) listen; "" where the acceptor does. */
  #bound: Record<string, string[]> = {};
  /** Where the acceptor listens; "" where workers do. */
  #accepted: Record<string, string[]> = {};
  #serial = 0;
  #steered: number | null = null;
  #steeringStale = false;
  #everReady = false;
  #started = false;
  #failure = "";
  #cutOff = false;
  #stopTimer: (() => void) | undefined;
  #lastTick = 0;
  #lastRss = -Infinity;
  #published = "";
  #reload: { plan: Plan | undefined; changes: string[]; askers: Asker[] } | undefined;
  #lastReload: SupervisorState["lastReload"] = null;
  #restarts: Asker[] = [];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#stdout = options.stdout ?? new Output(Deno.stdout);
    this.#stderr = options.stderr ?? new Output(Deno.stderr);
    this.#startedEpoch = this.#clock.epoch();
    const { plan } = options;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    // Whoever does not wait for readiness must not be killed by an unhandled rejection.
    this.ready.catch(() => {});
    this.#goal = {
      phase: "run",
      generation: 1,
      workers: plan.workers.count,
      governor: plan.meta !== null,
      next: null,
      limits: this.#limits(plan),
    };
    this.#plans.set(1, plan);
  }

  /** Claims the runtime folder and starts the first worker. Throws AlreadyRunning, and what the system refuses. */
  start(): void {
    const { plan, runtimeFolder, stats, control } = this.#options;
    this.#folder = claimRuntimeFolder(runtimeFolder);
    try {
      this.#openLogging(plan);
      this.#openStats(plan, stats ?? "auto");
      const transport = control ?? (Deno.build.os === "windows" ? "tcp" : "unix");
      this.#control = listenControl(this.#folder.path, transport, {
        adopt: (hello, channel) => this.#adopt(hello, channel),
        lost: (channel) => this.#lost(channel),
        command: (message) => this.command(message),
      });
    } catch (error) {
      this.#folder.release();
      throw error;
    }
    this.#lastTick = this.#clock.now();
    this.#stopTimer = this.#clock.every(tickMs, () => {
      if (this.#queue.empty) this.#queue.push({ type: "tick" });
    });
    this.#settle();
    this.#loop();
    cleanStaleFolders();
  }

  /** Where everything listens, by listener; `meta` for the pages. Port 0 is resolved. */
  get addresses(): Record<string, string[]> {
    const all: Record<string, string[]> = {};
    for (const [name, texts] of [...Object.entries(this.#bound), ...Object.entries(this.#accepted)]) {
      const merged = all[name] ??= [];
      texts.forEach((text, index) => merged[index] = text || merged[index] || "");
    }
    return all;
  }

  /** The plan that serves. */
  get plan(): Plan {
    return this.#plans.get(this.#goal.generation)!;
  }

  /** As if the process had got `signal`. */
  signal(signal: Deno.Signal): void {
    this.#queue.push({ type: "signal", signal });
  }

  /** A command as it comes over the control socket; resolves with its answer. */
  command(message: ChannelMessage): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const taken = this.#queue.push({ type: "command", message, asker: { resolve, reject } });
      if (!taken) reject(new Error(`Cannot ${message.type}: the supervisor is overloaded`));
    });
  }

  /** The whole state, as on the meta pages. */
  status(): SupervisorState {
    const { plan } = this;
    const notReady = this.#notReady();
    return {
      type: "state",
      service: plan.service,
      version: plan.version ?? "",
      weir: this.#options.weir,
      pid: Deno.pid,
      startedAt: this.#startedEpoch,
      generation: this.#goal.generation,
      phase: this.#phase(),
      ready: notReady.length === 0,
      notReady,
      children: [...this.#children.values()].map((child) => child.status()),
      exits: this.#exits.list(),
      addresses: this.addresses,
      lastReload: this.#lastReload,
    };
  }

  async #loop(): Promise<void> {
    for (;;) {
      const event = await this.#queue.next();
      try {
        this.#handle(event);
        if (this.#settle()) return await this.#end();
      } catch (error) {
        // A defect here must not take the service down: the workers serve without us.
        this.#log.error("a defect in the supervisor", {
          event: event.type,
          error: String((error as Error).stack),
        });
      }
    }
  }

  /** Carries out what reconcile() asks for; true when everything is stopped. */
  #settle(): boolean {
    for (let pass = 0; pass < mostPasses; pass++) {
      const now = this.#clock.now();
      const actions = reconcile(this.#goal, this.#actual(), now);
      for (const action of actions) if (this.#perform(action, now)) return true;
      if (actions.length === 0) break;
    }
    this.#publish();
    return false;
  }

  #actual(): Actual {
    const children = [...this.#children.values()];
    return {
      children,
      seats: [...this.#seats.values()],
      steered: this.#steered,
      steeringStale: this.#steeringStale,
    };
  }

  #perform(action: Action, now: number): boolean {
    const child = "serial" in action ? this.#children.get(action.serial) : undefined;
    switch (action.type) {
      case "start":
        this.#start(action, now);
        break;
      case "doom":
        child!.doomed = action.cause;
        this.#log.info(`${child!.name} is to be replaced`, { cause: action.cause });
        break;
      case "drain":
        this.#drain(child!, action.cause, now);
        break;
      case "hang":
        this.#hang(child!, action.cause);
        break;
      case "kill":
        this.#kill(child!, action.cause);
        break;
      case "steerAway":
        this.#steerAway(child!, this.#children.get(action.via)!);
        break;
      case "unsteer":
        this.#steered = null;
        if (action.via !== null) this.#children.get(action.via)?.channel?.send({ type: "unsteer" });
        break;
      case "commit":
        this.#commit();
        break;
      case "finished":
        return true;
    }
    return false;
  }

  #handle(event: SupervisorEvent): void {
    switch (event.type) {
      case "tick":
        return this.#tick();
      case "signal":
        return this.#signalled(event.signal);
      case "message":
        return this.#message(event.serial, event.message);
      case "exit":
        return this.#exited(event.serial, event.exit);
      case "stack":
        return this.#stackTaken(event.serial, event.frames, event.error);
      case "command":
        return this.#command(event.message, event.asker);
      case "compiled":
        return this.#compiled(event.result);
      case "opened":
        return this.#checkStarted();
      case "fault":
        return this.#fail(event.message);
    }
  }

  // ---- children

  #start({ role, id, generation }: { role: Role; id: number; generation: number }, now: number): void {
    const seat = this.#seat(role, id);
    const slot = this.#slots.take(`${role} ${id}`);
    if (slot < 0) {
      seat.notBefore = now + 1000;
      return this.#log.error(`${role} ${id} cannot start: no slot in the statistics memory is free`);
    }
    const child = new Child({ serial: ++this.#serial, role, id, generation, slot }, now, this.#clock.epoch());
    this.#children.set(child.serial, child);
    const plan = this.#plans.get(generation)!;
    const { entries, env } = this.#options;
    const ipc = role === "worker" && handedOver(plan).length > 0;
    const spawned = spawnChild({
      entry: role === "worker" ? entries.worker : entries.governor,
      env: {
        ...env,
        WEIR_CONTROL: this.#control!.address,
        WEIR_TOKEN: child.token,
        WEIR_CHILD_ID: String(id),
        WEIR_ROLE: role,
        WEIR_SUPERVISOR: String(Deno.pid),
        // The runtime takes its own variable for this out of the environment.
        ...(ipc ? { WEIR_IPC: "1" } : {}),
      },
      nice: plan.workers.nice + (role === "worker" ? 0 : 5),
      ipc,
    });
    spawned.then((process) => {
      child.process = process;
      child.pid = process.pid;
      if (this.#memory) {
        child.vitals = new Vitals(this.#memory, slot, process.pid);
        child.requestsBefore = child.vitals.requests;
      }
      if (child.killed) process.kill();
      const read = [
        child.output.read(process.stdout, "stdout", (bytes) => this.#stdout.write(bytes)),
        child.output.read(process.stderr, "stderr", (bytes) => this.#stderr.write(bytes)),
      ];
      process.exited.then(async (exit) => {
        // Its last words are in the pipe; a grandchild that holds the pipe open must not hold us up.
        const words = [...read, child.channel && child.silent.promise];
        await Promise.race([Promise.all(words), new Promise((resolve) => setTimeout(resolve, 100))]);
        this.#queue.push({ type: "exit", serial: child.serial, exit });
      });
    }, (error) => {
      child.detail = String(error);
      this.#queue.push({ type: "exit", serial: child.serial, exit: { code: -1, signal: "" } });
    });
  }

  #adopt(hello: Hello, channel: Channel): ((message: ChannelMessage) => unknown) | undefined {
    const child = [...this.#children.values()].find(({ token }) => token === hello.token);
    if (child === undefined || child.channel !== undefined) return undefined;
    child.channel = channel;
    child.inspector = hello.inspector ?? "";
    const plan = this.#plans.get(child.generation)!;
    const message: PlanMessage = {
      type: "plan",
      plan: pinPorts(plan, this.addresses),
      worker: { id: child.id, slot: child.slot, generation: child.generation, of: plan.workers.count },
      stats: { path: this.#statsPath },
      runtimeFolder: this.#folder!.path,
      label: child.name,
      terminal: this.#options.terminal ?? false,
    };
    channel.send({ ...message });
    if (child.role === "governor") channel.send({ ...this.status() });
    return (received) => {
      // The governor's pages may give the same commands as the command line.
      if (received.request !== undefined) return this.command(received);
      this.#queue.push({ type: "message", serial: child.serial, message: received });
    };
  }

  #lost(channel: Channel): void {
    const child = [...this.#children.values()].find((each) => each.channel === channel);
    child?.silent.resolve();
    // A process that cannot be talked to cannot be drained or watched either. Most often it is exiting just now.
    if (child !== undefined && child.state !== "draining") {
      this.#clock.after(goodbyeMs, () => child.process?.kill());
    }
  }

  #message(serial: number, message: ChannelMessage): void {
    const child = this.#children.get(serial);
    if (child === undefined) return;
    switch (message.type) {
      case "listening":
        return this.#listening(child, message.addresses as Ready["addresses"]);
      case "ready":
        return this.#isReady(child, (message as unknown as Ready).addresses);
      case "failed":
        child.detail = String(message.error);
        child.cause = "failed at start";
        if (!this.#everReady && child.role === "worker") this.#fail(child.detail);
        return;
      case "unbound":
        return this.#leaveGroups(child);
      case "drained":
        child.left = Number(message.left) || 0;
        return;
      case "snapshot":
        return this.#snapshot(child, message);
    }
  }

  #listening(child: Child, addresses: Ready["addresses"]): void {
    if (child.role !== "worker") return;
    this.#groups.join(
      child.serial,
      Object.values(addresses).flat().filter((text) => !text.startsWith("unix:")),
    );
    child.listening = this.#groups.has(child.serial);
    this.#steeringStale = true;
  }

  #isReady(child: Child, addresses: Ready["addresses"]): void {
    if (child.state !== "starting") return;
    const now = this.#clock.now();
    const { workers } = this.#plans.get(child.generation)!;
    child.state = "ready";
    child.readyAt = now;
    child.readyEpoch = this.#clock.epoch();
    child.addresses = addresses;
    child.vitals?.watch();
    if (child.role === "worker") {
      if (workers.age > 0) child.maxAgeMs = jitter(this.#clock, workers.age, 0.1);
      if (workers.requests > 0) child.maxRequests = jitter(this.#clock, workers.requests, 0.1);
      this.#listening(child, addresses);
      this.#everReady = true;
      this.#take(child);
    }
    if (child.generation === this.#goal.generation) Object.assign(this.#bound, addresses);
    this.#log.info(`${child.name} is ready`, {
      childPid: child.pid,
      tookMs: Math.round(now - child.startedAt),
    });
    this.#checkStarted();
  }

  /** The service is started when every seat is taken, or the governor has shown that it will not come. */
  #checkStarted(): void {
    if (this.#started) return;
    const all = [...this.#children.values()].filter(({ state }) => state === "ready");
    const workers = all.filter(({ role }) => role === "worker").length;
    const governor = !this.#goal.governor || all.some(({ role }) => role === "governor") ||
      (this.#seats.get("governor 1")?.failures ?? 0) > 0;
    const accepting = handedOver(this.plan).every(({ listener }) => this.#accepted[listener] !== undefined);
    if (workers < this.#goal.workers || !governor || !accepting) return;
    this.#started = true;
    this.#log.info("the service is ready", this.addresses);
    this.#ready.resolve();
  }

  #drain(child: Child, cause: string, now: number): void {
    const { drain, keepAccepting } = this.#plans.get(child.generation)!.workers;
    const keepAcceptingMs = this.#goal.phase === "run" ? 0 : keepAccepting;
    const worker = child.role === "worker";
    child.state = "draining";
    child.cause = cause;
    child.deadline = now + (worker ? keepAcceptingMs + drain + drainMarginMs : governorDrainMs);
    this.#log.info(`${child.name} drains`, { cause, childPid: child.pid });
    const places = this.#goal.phase === "run" ? this.#groups.places(child.serial) : {};
    const steer = Object.values(places)[0] ?? null;
    if (steer !== null) {
      this.#steered = child.serial;
      this.#steeringStale = false;
    }
    const message = {
      type: "drain",
      keepAcceptingMs,
      drainMs: worker ? drain : governorDrainMs,
      steer,
      places,
    };
    const left = this.#acceptor === undefined || !worker || keepAcceptingMs > 0
      ? undefined
      : this.#acceptor.remove(child.serial);
    if (left === undefined) child.channel?.send(message);
    else left.then(() => child.channel?.send(message));
    if (child.channel === undefined) this.#kill(child, cause);
  }

  #hang(child: Child, cause: string): void {
    const draining = child.state === "draining";
    child.state = "hung";
    child.doomed = cause;
    child.stack = "pending";
    if (draining) this.#cutOff = true;
    this.#acceptor?.remove(child.serial);
    this.#log.warn(`${child.name} hangs`, { cause, childPid: child.pid });
    const governor = this.#ready0("governor");
    const channel = child.role === "governor" ? undefined : governor?.channel;
    stackOf(child.inspector, channel).then(({ frames, error }) =>
      this.#queue.push({ type: "stack", serial: child.serial, frames, error })
    );
  }

  #stackTaken(serial: number, frames: StackAnswer["frames"], error: string): void {
    const child = this.#children.get(serial);
    if (child === undefined) return;
    const now = this.#clock.epoch();
    const inflight = (child.vitals?.inflight(20) ?? []).map(({ listener, text, startedAt, mark }) =>
      `${listener}: ${text} for ${Math.round(now - startedAt)} ms${mark === "" ? "" : ` at ${mark}`}`
    );
    const stack = frames.map(formatFrame);
    this.#log.error(`${child.name} hung and is replaced`, {
      cause: child.doomed,
      childPid: child.pid,
      stack,
      stackError: error === "" ? undefined : error,
      inflight,
    });
    child.detail = [...stack, ...inflight].join("\n") || error;
    child.stack = "done";
  }

  #kill(child: Child, cause: string): void {
    child.killed = true;
    if (child.cause === "" || child.state === "hung" || cause === "drain took too long") child.cause = cause;
    if (child.role === "worker" && child.state !== "starting" && this.#goal.phase !== "run") {
      const idle = child.state === "ready" && child.vitals?.inflight(1).length === 0;
      if (!idle) this.#cutOff = true;
    }
    this.#acceptor?.remove(child.serial);
    child.process?.kill();
  }

  #exited(serial: number, exit: ProcessExit): void {
    const child = this.#children.get(serial);
    if (child === undefined) return;
    this.#children.delete(serial);
    this.#slots.release(child.slot);
    child.channel?.close();
    this.#acceptor?.remove(serial);
    this.#leaveGroups(child);
    const uptimeMs = this.#clock.now() - child.startedAt;
    const expected = child.state === "draining" && !child.killed && exit.code === 0;
    const how = exit.signal !== "" ? `signal ${exit.signal}` : `exit code ${exit.code}`;
    const cause = child.cause === ""
      ? how
      : expected || child.killed
      ? child.cause
      : `${child.cause}, ${how}`;
    this.#exits.add({
      role: child.role,
      id: child.id,
      pid: child.pid,
      at: this.#clock.epoch(),
      cause,
      expected,
      uptimeMs: Math.round(uptimeMs),
      detail: child.detail || child.output.tail,
    });
    if (child.left > 0 && this.#goal.phase !== "run") this.#cutOff = true;
    if (expected) {
      this.#log.info(`${child.name} is gone`, { cause, childPid: child.pid, left: child.left || undefined });
    } else this.#died(child, cause, uptimeMs);
    if (this.#goal.next?.generation === child.generation) {
      const why = child.cause === "failed at start"
        ? child.detail
        : `${cause}\n${child.detail || child.output.tail}`;
      this.#abandon(`${child.name}: ${why.trim()}`);
    }
    this.#checkStarted();
  }

  #died(child: Child, cause: string, uptimeMs: number): void {
    const wanted = this.#goal.phase === "run" && child.cause !== "reload";
    const seat = this.#seat(child.role, child.id);
    if (wanted) {
      seat.failures = failuresAfter(seat.failures, uptimeMs);
      seat.notBefore = this.#clock.now() + backoffMs(seat.failures);
    }
    const detail = (child.detail || child.output.tail).trimEnd().split("\n").slice(-20);
    this.#log.error(`${child.name} died`, {
      cause,
      childPid: child.pid,
      uptimeMs: Math.round(uptimeMs),
      restartInMs: wanted ? backoffMs(seat.failures) : undefined,
      detail: detail[0] === "" ? undefined : detail,
    });
    const never = child.role === "worker" && !this.#everReady && cause.startsWith("not ready");
    if (never) this.#fail(`${child.name} was ${cause}`);
  }

  #leaveGroups(child: Child): void {
    if (this.#groups.leave(child.serial)) this.#steeringStale = true;
    child.listening = false;
  }

  #steerAway(child: Child, via: Child): void {
    const places = this.#groups.places(child.serial);
    const place = Object.values(places)[0];
    this.#steered = child.serial;
    this.#steeringStale = false;
    if (place) via.channel?.send({ type: "steerAway", ...place, places });
  }

  #take(child: Child): void {
    const send = child.process?.sendSocket;
    if (send === undefined) return;
    this.#openAcceptor(this.#plans.get(child.generation)!).then((acceptor) => {
      if (child.state !== "ready") return;
      acceptor.add({
        serial: child.serial,
        listeners: new Set(handedOver(this.#plans.get(child.generation)!).map(({ listener }) => listener)),
        connections: () => child.vitals?.connections,
        send,
      });
    }, (error) => this.#queue.push({ type: "fault", message: error.message }));
  }

  async #openAcceptor(plan: Plan): Promise<Acceptor> {
    const acceptor = this.#acceptor ??= new Acceptor();
    const opened = await acceptor.open(handedOver(pinPorts(plan, this.addresses)));
    Object.assign(this.#accepted, opened);
    this.#queue.push({ type: "opened" });
    return acceptor;
  }

  // ---- time

  #tick(): void {
    const now = this.#clock.now();
    const elapsedMs = now - this.#lastTick;
    this.#lastTick = now;
    const slow = now - this.#lastRss >= rssEveryMs;
    if (slow) this.#lastRss = now;
    for (const child of this.#children.values()) {
      child.vitals?.observe(elapsedMs);
      if (!slow || child.vitals === undefined) continue;
      child.rssBytes = child.vitals.rssBytes;
      child.requests = child.vitals.requests - child.requestsBefore;
    }
  }

  #signalled(signal: Deno.Signal): void {
    if (signal === "SIGHUP") return this.#beginReload([]);
    if (signal === "SIGUSR2") return this.#broadcast({ type: "reopenLogs" });
    if (this.#goal.phase === "run") return this.#stop("drain", signal);
    // An impatient person at the terminal; orchestrators repeat SIGTERM without meaning more by it.
    if (signal === "SIGINT" || signal === "SIGBREAK") this.#stop("stop", signal);
  }

  #stop(phase: "drain" | "stop", cause: string): void {
    if (this.#goal.phase === phase || this.#goal.phase === "stop") return;
    this.#log.info(phase === "drain" ? "the service drains" : "the service stops now", { cause });
    if (this.#reload) this.#finishReload(false, "given up: the service stops");
    this.#goal = { ...this.#goal, phase, next: null };
  }

  #fail(message: string): void {
    if (this.#failure !== "") return;
    this.#failure = message;
    this.#log.error("the service fails", { error: message });
    this.#stop("stop", "failure");
  }

  // ---- commands

  #command(message: ChannelMessage, asker: Asker): void {
    switch (message.type) {
      case "status":
        return asker.resolve(this.status());
      case "reload":
        if (message.wait === true) return this.#beginReload([asker]);
        this.#beginReload([]);
        return asker.resolve({ ok: true, message: "reloading", changes: [] } satisfies ReloadAnswer);
      case "drain":
        this.#stop("drain", "command");
        return asker.resolve({ phase: this.#phase() });
      case "stop":
        this.#stop("stop", "command");
        return asker.resolve({ phase: this.#phase() });
      case "restartWorker":
        return this.#restartWorker(Number(message.id), asker);
      case "reopenLogs":
        this.#broadcast({ type: "reopenLogs" });
        return asker.resolve({ ok: true });
      case "logLevel":
        return this.#logLevel(message as unknown as LogLevel, asker);
      case "stacks":
        this.#stacks().then(asker.resolve, asker.reject);
        return;
    }
    asker.reject(new TypeError(`Cannot do ${JSON.stringify(message.type)}: there is no such command`));
  }

  #restartWorker(id: number, asker: Asker): void {
    const workers = [...this.#children.values()].filter(({ role }) => role === "worker");
    const child = workers.find((each) => each.id === id && each.state === "ready");
    const busy = workers.find(({ state, doomed }) => state !== "ready" || doomed !== "");
    const no = (why: string) => asker.reject(new Error(`Cannot restart worker ${id}: ${why}`));
    if (child === undefined) return no("it is not ready");
    if (this.#goal.next !== null) return no("a reload is going on");
    if (busy !== undefined) return no(`${busy.name} is being replaced`);
    child.doomed = "restart";
    asker.resolve({ ok: true });
  }

  #logLevel({ logger, level, ttlMs }: LogLevel, asker: Asker): void {
    if (!["debug", "info", "warn", "error"].includes(level) || typeof logger !== "string") {
      return asker.reject(
        new TypeError(`Cannot set the level to ${level}: it is debug, info, warn or error`),
      );
    }
    this.#logging?.setLevel(logger, level, ttlMs);
    this.#broadcast({ type: "logLevel", logger, level, ttlMs });
    asker.resolve({ ok: true });
  }

  async #stacks(): Promise<StacksAnswer> {
    const governor = this.#ready0("governor");
    const stacks = await Promise.all([...this.#children.values()].map(async (child) => {
      const { role, id, pid, inspector } = child;
      return {
        role,
        id,
        pid,
        ...await stackOf(inspector, child === governor ? undefined : governor?.channel),
      };
    }));
    return { stacks };
  }

  #broadcast(message: ChannelMessage): void {
    if (message.type === "reopenLogs") this.#logging?.reopen();
    for (const child of this.#children.values()) child.channel?.send(message);
  }

  #snapshot(child: Child, message: ChannelMessage): void {
    if (this.#statsPath === null) {
      const bytes = Uint8Array.from(atob(String(message.bytes)), (char) => char.charCodeAt(0));
      this.#memory!.applySnapshot(child.slot, bytes);
    }
    this.#ready0("governor")?.channel?.send(message);
  }

  // ---- reload

  #beginReload(askers: Asker[]): void {
    const refuse = (why: string) => {
      this.#log.warn("reload refused", { cause: why });
      for (const { resolve } of askers) {
        resolve({ ok: false, message: why, changes: [] } satisfies ReloadAnswer);
      }
    };
    if (this.#reload) return refuse("another reload is going on");
    if (this.#goal.phase !== "run") return refuse("the service is stopping");
    if (!this.#started) return refuse("the service is still starting");
    this.#reload = { plan: undefined, changes: [], askers };
    this.#log.info("reloading");
    const { compile = () => ({ plan: this.plan }) } = this.#options;
    Promise.resolve().then(compile).catch((error) => ({ problem: String(error?.message ?? error) }))
      .then(async (result: Compiled) => {
        if ("plan" in result && handedOver(result.plan).length > 0) await this.#openAcceptor(result.plan);
        return result;
      }).catch((error) => ({ problem: `Cannot listen: ${error.message}` }))
      .then((result) => this.#queue.push({ type: "compiled", result }));
  }

  #compiled(result: Compiled): void {
    const reload = this.#reload;
    if (reload === undefined) return;
    if ("problem" in result) return this.#finishReload(false, result.problem);
    const { plan } = result;
    reload.plan = plan;
    reload.changes = diffPlans(this.plan, plan).map(({ path, before, after }) =>
      `${path}: ${JSON.stringify(before) ?? "nothing"} -> ${JSON.stringify(after) ?? "nothing"}`
    );
    if (slotsFor(plan, this.plan) > this.#slotCount) {
      return this.#finishReload(
        false,
        `${plan.workers.count} workers need a restart: the statistics file is too small`,
      );
    }
    const generation = this.#goal.generation + 1 + this.#abandoned;
    this.#plans.set(generation, plan);
    this.#goal = { ...this.#goal, next: { generation, workers: plan.workers.count } };
    // A seat that was in back-off must not hold up what may be its cure.
    for (const seat of this.#seats.values()) seat.notBefore = 0;
    this.#log.info("starting the new generation", { generation, changes: reload.changes });
  }

  #abandoned = 0;

  #abandon(why: string): void {
    const { next } = this.#goal;
    if (next === null) return;
    this.#abandoned++;
    this.#goal = { ...this.#goal, next: null };
    this.#finishReload(false, `given up, the old generation serves on: ${why}`);
  }

  #commit(): void {
    const { generation, workers } = this.#goal.next!;
    const plan = this.#plans.get(generation)!;
    if (JSON.stringify(plan.logs) !== JSON.stringify(this.plan.logs)) {
      this.#logging!.close();
      this.#openLogging(plan);
    }
    this.#abandoned = 0;
    this.#goal = {
      ...this.#goal,
      generation,
      workers,
      governor: plan.meta !== null,
      next: null,
      limits: this.#limits(plan),
    };
    const held = handedOver(pinPorts(plan, this.addresses));
    this.#acceptor?.keep(held);
    const accepting = new Set(held.map(({ listener }) => listener));
    this.#accepted = Object.fromEntries(
      Object.entries(this.#accepted).filter(([name]) => accepting.has(name)),
    );
    this.#bound = plan.meta !== null && this.#bound.meta ? { meta: this.#bound.meta } : {};
    for (const child of this.#children.values()) {
      if (child.role === "worker" && child.generation === generation) {
        Object.assign(this.#bound, child.addresses);
      }
    }
    this.#finishReload(true, `generation ${generation} serves`);
  }

  #finishReload(ok: boolean, message: string): void {
    const { changes, askers } = this.#reload ?? { changes: [], askers: [] };
    this.#reload = undefined;
    this.#lastReload = { at: this.#clock.epoch(), ok, message };
    if (ok) this.#log.info("reloaded", { result: message });
    else this.#log.error("reload failed", { cause: message });
    for (const { resolve } of askers) resolve({ ok, message, changes } satisfies ReloadAnswer);
  }

  // ---- state

  #phase(): string {
    if (this.#goal.phase !== "run") return this.#children.size === 0 ? "stopped" : "draining";
    if (this.#reload !== undefined) return "reloading";
    return this.#started ? "running" : "starting";
  }

  #notReady(): string[] {
    if (this.#goal.phase !== "run") return ["the service is stopping"];
    const workers = [...this.#children.values()].filter(({ role }) => role === "worker");
    if (this.#started) return workers.some(({ state }) => state === "ready") ? [] : ["no worker is ready"];
    const missing: string[] = [];
    for (let id = 1; id <= this.#goal.workers; id++) {
      const child = workers.find((each) => each.id === id);
      if (child?.state !== "ready") missing.push(`worker ${id} is ${child?.state ?? "not started yet"}`);
    }
    return missing;
  }

  /** Tells the governor when something changed. */
  #publish(): void {
    const governor = this.#ready0("governor");
    if (governor === undefined) return;
    const state = this.status();
    const text = JSON.stringify(state);
    if (text === this.#published) return;
    this.#published = text;
    governor.channel?.send({ ...state });
  }

  #ready0(role: Role): Child | undefined {
    return [...this.#children.values()].find((child) => child.role === role && child.state === "ready");
  }

  #seat(role: Role, id: number): SeatState {
    const key = `${role} ${id}`;
    const seat = this.#seats.get(key) ?? { role, id, failures: 0, notBefore: 0 };
    this.#seats.set(key, seat);
    return seat;
  }

  #limits({ workers }: Plan): Goal["limits"] {
    return {
      startMs: this.#options.startTimeoutMs ?? 30_000,
      hangMs: workers.hang,
      silentMs: Math.min(silentMs, workers.hang),
      memoryBytes: workers.memory,
    };
  }

  #openLogging(plan: Plan): void {
    this.#logging = createLogging(plan.logs, {
      process: { service: plan.service, role: "supervisor", id: 0, pid: Deno.pid },
      clock: this.#clock,
      directory: this.#folder!.path,
      console: consoleLines(this.#stdout),
      terminal: this.#options.terminal ?? false,
    });
    this.#log = this.#logging.logger("supervisor");
  }

  #openStats(plan: Plan, wanted: "auto" | "snapshot"): void {
    this.#slotCount = slotsFor(plan, plan);
    this.#slots = new Slots(this.#slotCount);
    const mode = chooseStatsMode(wanted);
    if (mode.mode === "snapshot") {
      this.#log.warn("statistics by snapshots, limits per worker", { cause: mode.reason });
      this.#memory = localStatsMemory(this.#slotCount);
      return;
    }
    this.#statsPath = statsFilePath(this.#folder!.path);
    createStatsFile(this.#statsPath, { slots: this.#slotCount });
    this.#memory = openStatsFile(this.#statsPath);
  }

  async #end(): Promise<void> {
    this.#stopTimer?.();
    this.#control?.close();
    this.#acceptor?.close();
    const code = this.#failure !== "" ? exitCodes.failed : this.#cutOff ? exitCodes.cutOff : exitCodes.clean;
    this.#log.info("the service is stopped", { code });
    await this.#logging!.close(500);
    await Promise.all([this.#stdout.flush(500), this.#stderr.flush(500)]);
    this.#folder!.release();
    this.#ready.reject(new Error(`The service is not running: ${this.#failure || "it was stopped"}`));
    this.#ended.resolve({ code, message: this.#failure });
  }
}

/** Two generations at once, the governor twice, and room to grow by a reload. */
function slotsFor(plan: Plan, serving: Plan): number {
  return Math.min(256, Math.max(32, plan.workers.count + serving.workers.count + 4));
}
