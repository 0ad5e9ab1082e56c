/** What health notes on one endpoint. */
import type { Endpoint, OutOfUse } from "../../core/endpoint.ts";
import { isMain } from "./population.ts";

/** See the module's header. Times are monotonic ms. */
export class HealthRecord {
  readonly endpoint: Endpoint;
  /** Role it counts for; empty for endpoints that calls without a role go to. */
  readonly role: string;
  /** Failed attempts in a row. */
  failures = 0;
  /** It is back from its time aside and nothing has succeeded since: the next failure ejects it again. */
  onTrial = false;
  /** Put aside until then; 0 where it is not. */
  asideUntil = 0;
  /** When one ejection is forgiven; Infinity where there is none, or it is aside. */
  forgiveAt = Infinity;
  /** Probes say that it is not well. */
  unwell = false;
  goodProbes = 0;
  badProbes = 0;
  /** When it is probed next; Infinity without probes. */
  probeAt = Infinity;
  /** A probe was asked for and not told about. */
  probing = false;
  /** People took it out. */
  takenOut = false;
  /** Texts for each reason it may be out of use. */
  readonly causes: { [why in OutOfUse | ""]?: string } = {};
  /** Earliest time at which the agenda comes to it. */
  plannedAt = Infinity;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.role = isMain(endpoint.spec.role) ? "" : endpoint.spec.role!;
  }

  /** Why it is out of use, most weighty reason first; empty where it is in use. */
  get why(): OutOfUse | "" {
    if (this.takenOut) return "operator";
    if (this.unwell) return "unhealthy";
    return this.asideUntil > 0 ? "ejected" : "";
  }

  /** When something has to be done about it. */
  get dueAt(): number {
    return Math.min(this.asideUntil || Infinity, this.forgiveAt, this.probeAt);
  }
}
