/** How a service is supervised, and how it ended. */
import type { Clock } from "../clock.ts";
import type { Plan } from "../manifest/plan.ts";
import type { Compiled } from "./event.ts";
import type { ExitCode } from "./exit_code.ts";
import type { Output } from "./output.ts";

/** Entry modules of the children, as URLs or paths. */
export interface Entries {
  worker: string;
  governor: string;
  shipper: string;
}

/** Options of Supervisor. Everything but the first four has a default. */
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
