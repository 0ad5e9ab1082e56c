/**
 * Decides over `endpoint.healthy`. Three reasons take an endpoint out of use, each for itself:
 *
 *  - ejected: so many failures in a row (connect, reset, timeout, an answer that it failed; never a local failure).
 *    Put aside for `base`, twice as long each further time up to `max`, ± 10 %. Then it returns on trial, in slow start:
 *    one more failure ejects it again at once, a success ends the trial. Each quiet time of twice its last time aside
 *    forgives one ejection. At most `share` of the endpoints are aside, one always may be; never the last usable one.
 *  - unhealthy: `fall` bad probes in a row; `rise` good ones end it, and a time aside as well.
 *  - operator: until people restore it.
 *
 * Nothing here sets a timer: {@link Health.tick} does what is due, from an agenda.
 */
import { jitter } from "../../core/clock.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Scope } from "../../core/scope.ts";
import type { Health, Outcome, PolicyHost, Selector } from "../../core/upstream/contract.ts";
import { isLocal } from "../../core/upstream_error.ts";
import { Agenda } from "./agenda.ts";
import { Announcer } from "./announcer.ts";
import { HealthRecord } from "./health_record.ts";
import { Population } from "./population.ts";
import { Recovery } from "./recovery.ts";
import { Turns } from "./turns.ts";

/** Times aside and times between probes are spread by this much, so that workers do not act in phase. */
const spread = 0.1;
/** The first probe of an endpoint comes within this time, if `every` is not shorter. */
const firstProbeMs = 1000;
/** Probes asked for in one tick. */
const mostProbes = 64;
/** Causes come from elsewhere and are shown. */
const mostCauseChars = 200;

/** Makes the health of one upstream; see core/upstream/contract.ts. */
export function makeHealth(host: PolicyHost, selector: Selector, _scope: Scope): Health {
  return new EndpointHealth(host, selector);
}

class EndpointHealth implements Health {
  readonly probes: Endpoint[] = [];
  readonly #host: PolicyHost;
  readonly #selector: Selector;
  readonly #records = new Map<Endpoint, HealthRecord>();
  readonly #agenda = new Agenda<HealthRecord>();
  /** Whose probe is due, in turn: more may be due than can be asked for in one tick. */
  readonly #probeTurns = new Turns<HealthRecord>();
  readonly #population: Population;
  readonly #recovery: Recovery;
  readonly #announcer: Announcer;
  /** Endpoints with failures in a row or on trial: while there are none, a success is nothing to look up. */
  #watched = 0;
  /** Whether there have been endpoints: those that join later start slowly. */
  #begun = false;

  constructor(host: PolicyHost, selector: Selector) {
    this.#host = host;
    this.#selector = selector;
    this.#population = new Population(host.name, host.stats);
    this.#recovery = new Recovery(host.clock);
    this.#announcer = new Announcer(host);
  }

  update(added: readonly Endpoint[], removed: readonly Endpoint[]): void {
    const now = this.#host.clock.now();
    for (const endpoint of removed) this.#remove(endpoint);
    for (const endpoint of added) this.#add(endpoint, now);
    if (this.#records.size > 0) this.#begun = true;
    this.#counted(now);
  }

  #add(endpoint: Endpoint, now: number): void {
    if (this.#records.has(endpoint)) return;
    const { probe } = this.#host.plan.health;
    const record = new HealthRecord(endpoint);
    this.#records.set(endpoint, record);
    this.#population.add(record, 1);
    if (this.#begun) {
      endpoint.since = now;
      this.#selector.healthChanged(endpoint);
    }
    if (!probe) return;
    record.probeAt = now + this.#host.clock.random() * Math.min(firstProbeMs, probe.every);
    this.#plan(record);
  }

  #remove(endpoint: Endpoint): void {
    const record = this.#records.get(endpoint);
    if (!record) return;
    this.#records.delete(endpoint);
    this.#population.add(record, -1);
    this.#settle(record, 0, false);
  }

  /** Notes failures in a row and trial, and whether that is anything to watch. */
  #settle(record: HealthRecord, failures: number, onTrial: boolean): void {
    const before = record.failures > 0 || record.onTrial;
    record.failures = failures;
    record.onTrial = onTrial;
    this.#watched += Number(failures > 0 || onTrial) - Number(before);
  }

  ended(endpoint: Endpoint, outcome: Outcome): void {
    const { ok, failure, now } = outcome;
    if (ok && this.#watched === 0) return;
    if (failure !== undefined && isLocal(failure)) return;
    const record = this.#records.get(endpoint);
    // What began before its time aside says nothing about how it is now, and panic is no trial.
    if (!record || !endpoint.healthy || now - outcome.latencyMs < endpoint.since) return;
    if (ok) return this.#settle(record, 0, false);
    this.#settle(record, record.failures + 1, record.onTrial);
    const { eject } = this.#host.plan.health;
    if (!eject || !(record.onTrial || record.failures >= eject.consecutive)) return;
    if (!this.#mayEject(record, eject.share)) return;
    const last = outcome.status > 0 ? `${failure} ${outcome.status}` : failure;
    const cause = record.onTrial && record.failures < eject.consecutive
      ? `failed again after its return: ${last}`
      : `${record.failures} failures in a row, the last: ${last}`;
    this.#putAside(record, cause, eject, now);
  }

  #mayEject({ role }: HealthRecord, share: number): boolean {
    const { ejected, total } = this.#population;
    return ejected < Math.max(1, Math.floor(share * total + 1e-9)) && this.#population.hasAnother(role);
  }

  #putAside(
    record: HealthRecord,
    cause: string,
    { base, max }: { base: number; max: number },
    now: number,
  ): void {
    const { endpoint } = record;
    endpoint.ejections++;
    const full = Math.min(max, base * 2 ** Math.min(endpoint.ejections - 1, 40));
    const ms = jitter(this.#host.clock, full, spread);
    record.asideUntil = now + (ms <= max ? ms : 2 * max - ms);
    record.forgiveAt = Infinity;
    record.goodProbes = 0;
    record.causes.ejected = cause;
    this.#settle(record, 0, false);
    this.#announcer.ejected("failures");
    this.#show(record, now);
    this.#plan(record);
  }

  /** The time aside is over; it returns on trial. */
  #takeBack(record: HealthRecord, cause: string, now: number): void {
    const { eject } = this.#host.plan.health;
    record.asideUntil = 0;
    if (eject) record.forgiveAt = now + Math.min(eject.max, eject.base * 2 ** record.endpoint.ejections);
    this.#settle(record, 0, true);
    record.causes[""] = cause;
    this.#show(record, now);
    this.#plan(record);
  }

  #forgive(record: HealthRecord, now: number): void {
    const { eject } = this.#host.plan.health;
    const left = Math.max(0, --record.endpoint.ejections);
    record.endpoint.ejections = left;
    record.forgiveAt = left > 0 && eject ? now + Math.min(eject.max, eject.base * 2 ** left) : Infinity;
  }

  eject(endpoint: Endpoint, reason: string): void {
    const record = this.#records.get(endpoint);
    if (!record) return;
    if (!record.takenOut) this.#announcer.ejected("operator");
    record.takenOut = true;
    record.causes.operator = reason.slice(0, mostCauseChars);
    this.#show(record, this.#host.clock.now());
  }

  restore(endpoint: Endpoint, reason: string): void {
    const record = this.#records.get(endpoint);
    if (!record || record.why === "") return;
    record.takenOut = record.unwell = false;
    record.asideUntil =
      record.goodProbes =
      record.badProbes =
      endpoint.ejections =
        0;
    record.forgiveAt = Infinity;
    record.causes[""] = reason.slice(0, mostCauseChars);
    this.#settle(record, 0, false);
    this.#show(record, this.#host.clock.now());
  }

  admits(_now: number): boolean {
    return !this.#recovery.active || this.#recovery.admits(this.#selector.panic);
  }

  tick(now: number): void {
    this.probes.length = 0;
    this.#recovery.tick(now);
    this.#announcer.recovering(this.#recovery.active);
    for (let n = this.#agenda.size; n > 0 && this.#agenda.nextAt <= now; n--) {
      const record = this.#agenda.shift()!;
      // Planned for earlier since, and done then.
      if (record.plannedAt > now) continue;
      record.plannedAt = Infinity;
      if (this.#records.get(record.endpoint) !== record) continue;
      this.#due(record, now);
      this.#plan(record, now);
    }
    this.#askProbes(now);
  }

  /** Puts the next thing to do about `record` on the agenda; `after` now, where it is being worked on. */
  #plan(record: HealthRecord, after = -Infinity): void {
    const at = record.dueAt <= after ? after + 1 : record.dueAt;
    if (at >= record.plannedAt) return;
    record.plannedAt = at;
    this.#agenda.add(at, record);
  }

  #due(record: HealthRecord, now: number): void {
    if (record.probeAt <= now) {
      record.probeAt = Infinity;
      this.#probeTurns.push(record);
    }
    if (record.forgiveAt <= now) this.#forgive(record, now);
    if (record.asideUntil === 0 || record.asideUntil > now) return;
    // Where probes say it is still down there is no need to try it on callers.
    if (record.badProbes === 0) return this.#takeBack(record, "its time aside is over", now);
    record.asideUntil = now + this.#host.plan.health.probe!.every;
    this.#show(record, now);
  }

  #askProbes(now: number): void {
    const { probe } = this.#host.plan.health;
    while (probe && this.probes.length < mostProbes) {
      const record = this.#probeTurns.shift();
      if (!record) return;
      if (this.#records.get(record.endpoint) !== record) continue;
      record.probeAt = now + jitter(this.#host.clock, probe.every, spread);
      this.#plan(record, now);
      // One that nobody told about was lost with whoever sent it: the next time it is asked for again.
      if (!record.probing) this.probes.push(record.endpoint);
      record.probing = !record.probing;
    }
  }

  probed(endpoint: Endpoint, good: boolean, cause: string): void {
    const record = this.#records.get(endpoint);
    const { probe } = this.#host.plan.health;
    if (!record || !probe) return;
    const now = this.#host.clock.now();
    record.probing = false;
    record.goodProbes = good ? record.goodProbes + 1 : 0;
    record.badProbes = good ? 0 : record.badProbes + 1;
    if (!good && !record.unwell && record.badProbes >= probe.fall) {
      record.unwell = true;
      record.causes.unhealthy = `${record.badProbes} bad probes in a row, the last: ${
        cause.slice(0, mostCauseChars)
      }`;
      this.#announcer.ejected("probes");
      this.#show(record, now);
    }
    if (!good || record.goodProbes < probe.rise || !(record.unwell || record.asideUntil > 0)) return;
    record.unwell = false;
    const text = `${record.goodProbes} good probes in a row`;
    if (record.asideUntil > 0) return this.#takeBack(record, text, now);
    record.causes[""] = text;
    this.#show(record, now);
  }

  /** Writes to the endpoint what its record says, and tells everybody where that is something else than before. */
  #show(record: HealthRecord, now: number): void {
    const { endpoint } = record;
    const { why } = record;
    const before = endpoint.why;
    endpoint.until = why === "" ? 0 : why === "ejected" ? record.asideUntil : Infinity;
    endpoint.cause = record.causes[why] ?? "";
    if (why === before) return;
    endpoint.why = why;
    endpoint.healthy = why === "";
    if (endpoint.healthy) endpoint.since = now;
    this.#population.moved(record, before);
    this.#selector.healthChanged(endpoint);
    this.#announcer.changed(endpoint, now);
    this.#counted(now);
  }

  #counted(now: number): void {
    this.#recovery.count(this.#population.usable, this.#population.wanted, now);
  }
}
