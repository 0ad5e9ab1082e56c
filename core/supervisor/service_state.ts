/**
 * What the supervisor knows: the goal, the children, the seats they fill, what has happened. Data and questions about it;
 * what is done about it stands in the files around (start_child, end_child, reload, stop_service, obey_command).
 */
import { type Clock, systemClock } from "../clock.ts";
import type { Log } from "../context.ts";
import type { Role, SupervisorState } from "../control.ts";
import { createLogging, type Logging } from "../log/logging.ts";
import type { Plan } from "../manifest/plan.ts";
import { needsWatching } from "../upstream/endpoint_feed_source.ts";
import type { Acceptor } from "./acceptor.ts";
import { CertificateWatch } from "./certificate_watch.ts";
import type { Child } from "./child.ts";
import { consoleLines } from "./console_lines.ts";
import type { ControlServer } from "./control_server.ts";
import type { Asker, SupervisorEvent } from "./event.ts";
import { EventQueue } from "./event_queue.ts";
import { ExitHistory } from "./exit_history.ts";
import { ListeningAddresses } from "./listening_addresses.ts";
import { Output } from "./output.ts";
import type { Actual, Goal, Seat } from "./reconcile.ts";
import type { RuntimeFolder } from "./runtime_folder.ts";
import type { ServiceMemory } from "./service_memory.ts";
import { StandingCommands } from "./standing_commands.ts";
import { SteeringGroups } from "./steering_groups.ts";
import type { SupervisorOptions } from "./supervisor_options.ts";

/** A worker silent this long gets no new connections. */
const silentMs = 250;
const startMs = 30_000;

/** A stable id and its luck. */
export interface SeatState extends Seat {
  failures: number;
  notBefore: number;
}

/** A reload under way. */
export interface ReloadState {
  changes: string[];
  askers: Asker[];
}

/** Mutable; only the supervisor's loop changes it. */
export class ServiceState {
  readonly options: SupervisorOptions;
  readonly clock: Clock;
  readonly queue = new EventQueue<SupervisorEvent>();
  readonly children = new Map<number, Child>();
  readonly seats = new Map<string, SeatState>();
  readonly groups = new SteeringGroups();
  readonly exits = new ExitHistory();
  readonly addresses = new ListeningAddresses();
  readonly certificates = new CertificateWatch();
  readonly standing = new StandingCommands();
  /** Plans by generation: the one that serves, and those of processes that are still there. */
  readonly plans = new Map<number, Plan>();
  readonly stdout: Output;
  readonly stderr: Output;
  readonly startedEpoch: number;
  // Made by start(), which fails as a whole when one of them cannot be made.
  folder!: RuntimeFolder;
  memory!: ServiceMemory;
  control!: ControlServer;
  logging!: Logging;
  log!: Log;
  goal: Goal;
  acceptor: Acceptor | undefined;
  steered: number | null = null;
  steeringStale = false;
  steeringBusy = false;
  /** Some worker has been ready. */
  everReady = false;
  /** All of them were, once. */
  started = false;
  /** Why the service fails; empty while it does not. */
  failure = "";
  /** When a stop should be over, monotonic ms: what is left of it is the shipper's. */
  drainUntil = 0;
  /** A shipper has said what it leaves; false again where another one is started. */
  shipped = false;
  /** Work in flight was cut off while stopping. */
  cutOff = false;
  reload: ReloadState | undefined;
  lastReload: SupervisorState["lastReload"] = null;
  /** Number of the newest generation that was ever tried. */
  newest = 1;

  constructor(options: SupervisorOptions) {
    const { plan } = options;
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.stdout = options.stdout ?? new Output(Deno.stdout);
    this.stderr = options.stderr ?? new Output(Deno.stderr);
    this.startedEpoch = this.clock.epoch();
    this.plans.set(1, plan);
    this.goal = { ...this.goalOf(plan), phase: "run", generation: 1, next: null };
  }

  /** The plan that serves. */
  get plan(): Plan {
    return this.plans.get(this.goal.generation)!;
  }

  /** What `plan` asks of the supervisor. */
  goalOf(plan: Plan): Pick<Goal, "workers" | "governor" | "governorFirst" | "shipper" | "limits"> {
    const { count, hang, memory } = plan.workers;
    const limits = {
      startMs: this.options.startTimeoutMs ?? startMs,
      hangMs: hang,
      silentMs: Math.min(silentMs, hang),
      memoryBytes: memory,
    };
    // Workers may wait for endpoints before they are ready.
    const governorFirst = needsWatching(plan);
    const governor = plan.meta !== null || governorFirst;
    const shipper = Object.keys(plan.streams).length > 0;
    return { workers: count, governor, governorFirst, shipper, limits };
  }

  /** Logs as `plan` says from now on. */
  openLogging(plan: Plan): void {
    this.logging = createLogging(plan.logs, {
      process: { service: plan.service, role: "supervisor", id: 0, pid: Deno.pid },
      clock: this.clock,
      directory: this.folder.path,
      console: consoleLines(this.stdout),
      terminal: this.options.terminal ?? false,
    });
    this.log = this.logging.logger("supervisor");
  }

  all(role?: Role): Child[] {
    return [...this.children.values()].filter((child) => role === undefined || child.role === role);
  }

  /** The governor, when it is ready. */
  get governor(): Child | undefined {
    return this.all("governor").find(({ state }) => state === "ready");
  }

  seat(role: Role, id: number): SeatState {
    const key = `${role} ${id}`;
    const seat = this.seats.get(key) ?? { role, id, failures: 0, notBefore: 0 };
    this.seats.set(key, seat);
    return seat;
  }

  /** What reconcile() judges. */
  actual(): Actual {
    const { steered, steeringStale, steeringBusy } = this;
    return { children: this.all(), seats: [...this.seats.values()], steered, steeringStale, steeringBusy };
  }

  phase(): string {
    if (this.goal.phase !== "run") return this.children.size === 0 ? "stopped" : "draining";
    if (this.reload !== undefined) return "reloading";
    return this.started ? "running" : "starting";
  }

  /** Why the service is not ready; nothing when it is. */
  notReady(): string[] {
    if (this.goal.phase !== "run") return ["the service is stopping"];
    const workers = this.all("worker");
    if (this.started) return workers.some(({ state }) => state === "ready") ? [] : ["no worker is ready"];
    const missing: string[] = [];
    for (let id = 1; id <= this.goal.workers; id++) {
      const child = workers.find((each) => each.id === id);
      if (child?.state !== "ready") missing.push(`worker ${id} is ${child?.state ?? "not started yet"}`);
    }
    return missing;
  }

  /** The whole state, as on the meta pages. */
  status(): SupervisorState {
    const { plan } = this;
    const notReady = this.notReady();
    return {
      type: "state",
      service: plan.service,
      version: plan.version ?? "",
      weir: this.options.weir,
      pid: Deno.pid,
      startedAt: this.startedEpoch,
      generation: this.goal.generation,
      phase: this.phase(),
      ready: this.started && notReady.length === 0,
      notReady: this.started || notReady.length > 0 ? notReady : ["the service is still starting"],
      children: this.all().map((child) => child.status()),
      exits: this.exits.list(),
      addresses: this.addresses.all(),
      lastReload: this.lastReload,
    };
  }
}
