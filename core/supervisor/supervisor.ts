/**
 * The supervisor: one loop over one queue of events. Each event changes what is known; then reconcile() is asked what
 * to do until nothing is left to do. No user code runs here, no request passes through (but for handed-over
 * connections, unread), no third-party client is loaded: it must be too simple to fail.
 */
import type { ChannelMessage } from "../channel.ts";
import type { Ready, SupervisorState } from "../control.ts";
import type { Plan } from "../manifest/plan.ts";
import { checkPorts } from "./check_ports.ts";
import type { Child } from "./child.ts";
import { listenControl } from "./control_server.ts";
import {
  childExited,
  drainChild,
  hangChild,
  killChild,
  leaveGroups,
  recordsLeft,
  stackTaken,
} from "./end_child.ts";
import type { SupervisorEvent } from "./event.ts";
import { exitCodes } from "./exit_code.ts";
import { rotateIfNeeded } from "../log/rotate.ts";
import { obeyCommand, reopenLogs } from "./obey_command.ts";
import { type Action, companions, reconcile } from "./reconcile.ts";
import { beginReload, commitReload, reloadCompiled } from "./reload.ts";
import { claimRuntimeFolder, cleanStaleFolders } from "./runtime_folder.ts";
import { ServiceMemory } from "./service_memory.ts";
import { ServiceState } from "./service_state.ts";
import { adoptChild, channelLost, childListens, childReady, startChild } from "./start_child.ts";
import { nobody, steerAway, unsteer } from "./steer.ts";
import { failService, stopService } from "./stop_service.ts";
import type { Ending, SupervisorOptions } from "./supervisor_options.ts";

const tickMs = 100;
const rssEveryMs = 1000;
/** reconcile() settles in a few passes; more would be a defect, and it must not spin. */
const mostPasses = 100;
const flushMs = 500;

/** One running service. */
export class Supervisor {
  /** Resolves when all processes are ready for the first time; rejects when the service ends before that. */
  readonly ready: Promise<void>;
  /** Resolves when everything is stopped and cleaned up. */
  readonly ended: Promise<Ending>;
  readonly #state: ServiceState;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Ending>();
  #serial = 0;
  #stopTicking = () => {};
  #lastTick = 0;
  #rotating = false;
  #lastRss = -Infinity;
  #published = "";

  constructor(options: SupervisorOptions) {
    this.#state = new ServiceState(options);
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    // Whoever does not wait for readiness must not be killed by an unhandled rejection.
    this.ready.catch(() => {});
  }

  /** Claims the runtime folder and starts the first worker. Throws AlreadyRunning, and what the system refuses. */
  start(): void {
    const state = this.#state;
    const { plan, runtimeFolder, stats, control } = state.options;
    state.folder = claimRuntimeFolder(runtimeFolder);
    try {
      checkPorts(plan);
      state.openLogging(plan);
      state.memory = new ServiceMemory(state.folder.path, plan.workers.count, stats ?? "auto");
      state.control = listenControl(
        state.folder.path,
        control ?? (Deno.build.os === "windows" ? "tcp" : "unix"),
        {
          adopt: (hello, channel) => adoptChild(state, hello, channel, (message) => this.command(message)),
          lost: (channel) => channelLost(state, channel),
          command: (message) => this.command(message),
        },
      );
    } catch (error) {
      state.folder.release();
      throw error;
    }
    const { reason } = state.memory;
    if (reason !== "") state.log.warn("statistics by snapshots, limits per worker", { cause: reason });
    state.certificates.watch(state.plan);
    this.#lastTick = state.clock.now();
    this.#stopTicking = state.clock.every(tickMs, () => {
      if (state.queue.empty) state.queue.push({ type: "tick" });
    });
    this.#settle();
    this.#loop();
    cleanStaleFolders();
  }

  /** Where everything listens, by listener; `meta` for the pages. Port 0 is resolved. */
  get addresses(): Record<string, string[]> {
    return this.#state.addresses.all();
  }

  /** The plan that serves. */
  get plan(): Plan {
    return this.#state.plan;
  }

  /** As if the process had got `signal`. */
  signal(signal: Deno.Signal): void {
    this.#state.queue.push({ type: "signal", signal });
  }

  /** A command as it comes over the control socket; resolves with its answer. */
  command(message: ChannelMessage): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const taken = this.#state.queue.push({ type: "command", message, asker: { resolve, reject } });
      if (!taken) reject(new Error(`Cannot ${message.type}: the supervisor is overloaded`));
    });
  }

  /** The whole state, as on the meta pages. */
  status(): SupervisorState {
    return this.#state.status();
  }

  async #loop(): Promise<void> {
    const { queue } = this.#state;
    for (;;) {
      const event = await queue.next();
      try {
        this.#handle(event);
        if (this.#settle()) return await this.#end();
      } catch (error) {
        // A defect here must not take the service down: the workers serve without us.
        this.#state.log.error("a defect in the supervisor", { event: event.type, error });
      }
    }
  }

  /** Carries out what reconcile() asks for; true when everything is stopped. */
  #settle(): boolean {
    const state = this.#state;
    for (let pass = 0; pass < mostPasses; pass++) {
      const actions = reconcile(state.goal, state.actual(), state.clock.now());
      for (const action of actions) {
        if (action.type === "finished") return true;
        this.#perform(action);
      }
      if (actions.length === 0) break;
    }
    this.#checkStarted();
    this.#publish();
    return false;
  }

  #perform(action: Exclude<Action, { type: "finished" }>): void {
    const state = this.#state;
    if (action.type === "start") return startChild(state, action, ++this.#serial);
    if (action.type === "commit") return commitReload(state);
    if (action.type === "unsteer") return unsteer(state, action.via);
    const child = state.children.get(action.serial)!;
    switch (action.type) {
      case "doom":
        child.doomed = action.cause;
        return state.log.info(`${child.name} is to be replaced`, { cause: action.cause });
      case "drain":
        return drainChild(state, child, action.cause);
      case "hang":
        return hangChild(state, child, action.cause);
      case "kill":
        return killChild(state, child, action.cause);
      case "steerAway":
        return steerAway(state, child, state.children.get(action.via)!);
    }
  }

  #handle(event: SupervisorEvent): void {
    const state = this.#state;
    switch (event.type) {
      case "tick":
        return this.#tick();
      case "signal":
        return this.#signalled(event.signal);
      case "command":
        return obeyCommand(state, event.message, event.asker);
      case "compiled":
        return reloadCompiled(state, event.result);
      case "fault":
        return failService(state, event.message);
      case "steered":
        state.steeringBusy = false;
        if (event.unsure) state.steered = nobody;
        return;
      case "steeredLate":
        state.steered = nobody;
        return;
      case "opened":
        return;
    }
    const child = state.children.get(event.serial);
    if (child === undefined) return;
    if (event.type === "exit") return childExited(state, child, event.exit);
    if (event.type === "stack") return stackTaken(state, child, event.frames, event.error);
    this.#message(child, event.message);
  }

  #message(child: Child, message: ChannelMessage): void {
    const state = this.#state;
    switch (message.type) {
      case "listening":
        return childListens(state, child, message.addresses as Ready["addresses"]);
      case "ready":
        return childReady(state, child, message.addresses as Ready["addresses"]);
      case "failed":
        child.detail = String(message.error);
        if (child.state !== "starting") return void (child.cause = String(message.cause));
        child.cause = "failed at start";
        if (!state.everReady && child.role === "worker" && message.temporary !== true) {
          failService(state, child.detail);
        }
        return;
      case "unbound":
        return leaveGroups(state, child);
      case "drained":
        child.left = Number(message.left) || 0;
        if (child.role === "shipper") recordsLeft(state, child, message.streams);
        return;
      case "endpoints":
        // What they are stands in a file, which workers that are not connected yet read at their start.
        if (child.role === "governor") {
          for (const worker of state.all("worker")) worker.channel?.send(message);
        }
        return;
      case "snapshot":
        state.memory.apply(child.slot, String(message.bytes));
        if (child.role !== "governor") state.governor?.channel?.send(message);
    }
  }

  #tick(): void {
    const now = this.#state.clock.now();
    const elapsedMs = now - this.#lastTick;
    this.#lastTick = now;
    const slow = now - this.#lastRss >= rssEveryMs;
    if (slow) this.#lastRss = now;
    // Otherwise the governor does it.
    if (slow && !this.#state.goal.governor) this.#rotate();
    if (slow && this.#state.certificates.changed()) {
      this.#state.log.info("a certificate has changed: its workers are replaced");
      beginReload(this.#state, [], () => ({ plan: this.#state.plan }));
    }
    for (const child of this.#state.all()) {
      child.vitals?.observe(elapsedMs);
      if (!slow || child.vitals === undefined) continue;
      child.rssBytes = child.vitals.rssBytes;
      child.requests = child.vitals.requests - child.requestsBefore;
    }
  }

  async #rotate(): Promise<void> {
    if (this.#rotating) return;
    this.#rotating = true;
    const state = this.#state;
    try {
      const { rotated, errors } = await rotateIfNeeded(state.plan.logs);
      for (const error of errors) state.log.error("cannot rotate a log file", { error });
      if (rotated.length > 0) reopenLogs(state);
    } finally {
      this.#rotating = false;
    }
  }

  #signalled(signal: Deno.Signal): void {
    const state = this.#state;
    if (signal === "SIGHUP") return beginReload(state, []);
    if (signal === "SIGUSR2") return void reopenLogs(state);
    if (state.goal.phase === "run") return stopService(state, "drain", signal);
    // An impatient person at the terminal; orchestrators repeat SIGTERM without meaning more by it.
    if (signal === "SIGINT" || signal === "SIGBREAK") stopService(state, "stop", signal);
  }

  /** The service is started when every seat is taken, or a companion has shown that it will not come. */
  #checkStarted(): void {
    const state = this.#state;
    if (state.started || state.goal.phase !== "run") return;
    const workers = state.all("worker").filter((child) => child.state === "ready").length;
    const settled = companions.every((role) =>
      !state.goal[role] || state.all(role).some((child) => child.state === "ready") ||
      state.seat(role, 1).failures > 0
    );
    if (workers < state.goal.workers || !settled || !state.addresses.accepts(state.plan)) return;
    state.started = true;
    state.log.info("the service is ready", this.addresses);
    this.#ready.resolve();
  }

  /** Tells the governor when something changed. */
  #publish(): void {
    const { governor } = this.#state;
    if (governor === undefined) return;
    const status = this.status();
    const text = JSON.stringify(status);
    if (text === this.#published) return;
    this.#published = text;
    governor.channel?.send({ ...status });
  }

  async #end(): Promise<void> {
    const state = this.#state;
    const { failure, cutOff, log, logging, stdout, stderr } = state;
    const code = failure !== "" ? exitCodes.failed : cutOff ? exitCodes.cutOff : exitCodes.clean;
    this.#stopTicking();
    const closed = state.control.close();
    state.acceptor?.close();
    if (this.#state.goal.shipper && !this.#state.shipped) {
      log.warn(
        "records may be left in the spool: no shipper was there at the end; the next start ships them",
      );
    }
    log.info("the service is stopped", { code });
    try {
      await closed;
      await logging.close(flushMs);
      await Promise.all([stdout.flush(flushMs), stderr.flush(flushMs)]);
      state.memory.close();
      state.folder.release();
    } finally {
      this.#ready.reject(new Error(`The service is not running: ${failure || "it was stopped"}`));
      this.#ended.resolve({ code, message: failure });
    }
  }
}
