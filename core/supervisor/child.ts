/** One process of the service as the supervisor knows it: what reconcile() looks at, and the means to reach it. */
import type { Channel } from "../channel.ts";
import type { ChildState, ChildStatus, Role } from "../control.ts";
import { ChildOutput } from "./child_output.ts";
import type { ChildView } from "./reconcile.ts";
import type { ChildProcess } from "./spawn_child.ts";
import type { Vitals } from "./vitals.ts";

/** Mutable; only the supervisor's loop changes it. */
export class Child implements ChildView {
  readonly serial: number;
  readonly role: Role;
  readonly id: number;
  readonly generation: number;
  readonly slot: number;
  readonly token: string = crypto.randomUUID();
  readonly output = new ChildOutput();
  readonly startedAt: number;
  readonly startedEpoch: number;
  state: ChildState = "starting";
  readyAt = 0;
  readyEpoch = 0;
  deadline = Infinity;
  rssBytes = 0;
  requests = 0;
  requestsBefore = 0;
  maxAgeMs = Infinity;
  maxRequests = Infinity;
  doomed = "";
  listening = false;
  lastShipper = false;
  stack: ChildView["stack"] = "none";
  killed = false;
  /** Why it ends, when that is the supervisor's doing. */
  cause = "";
  /** What it said about itself in `failed`, or its captured stack. */
  detail = "";
  left = 0;
  pid = 0;
  process: ChildProcess | undefined;
  channel: Channel | undefined;
  vitals: Vitals | undefined;
  addresses: Record<string, string[]> = {};
  /** Called when it says that it has the socket that was handed to it. */
  took: () => void = () => {};
  /** Resolves when its channel has ended, and with it all it had to say. */
  readonly silent = Promise.withResolvers<void>();
  #inspector = "";

  constructor(
    seat: { serial: number; role: Role; id: number; generation: number; slot: number },
    now: number,
    epoch: number,
  ) {
    this.serial = seat.serial;
    this.role = seat.role;
    this.id = seat.id;
    this.generation = seat.generation;
    this.slot = seat.slot;
    this.startedAt = now;
    this.startedEpoch = epoch;
  }

  get silentMs(): number {
    return this.vitals?.silentMs ?? 0;
  }

  /** The private WebSocket address of its inspector; empty until it is known. A key: never log it. */
  get inspector(): string {
    return this.#inspector || this.output.inspector;
  }

  set inspector(url: string) {
    this.#inspector = url;
  }

  /** `worker 2`. */
  get name(): string {
    return `${this.role} ${this.id}`;
  }

  status(): ChildStatus {
    const { role, id, slot, generation, pid, state, rssBytes, inspector } = this;
    return {
      role,
      id,
      slot,
      generation,
      pid,
      state,
      startedAt: this.startedEpoch,
      readyAt: this.readyEpoch,
      rssBytes,
      inspector,
    };
  }
}
