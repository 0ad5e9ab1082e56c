/**
 * Endpoints from DNS: all A and AAAA records of a name with a port of the manifest, or SRV records (RFC 2782) with
 * their targets' addresses. Asked again when the shortest TTL is over, at the latest after `every`, and not more often
 * than once a second unless `every` says so. (SRV records come without their TTL from this runtime: those of the
 * addresses count.) A family or a target that cannot be had at the moment keeps what it had.
 *
 * The runtime reports REFUSED, NXDOMAIN and "no such record" alike, so a name that is suddenly unknown is no reason to
 * forget its endpoints: the stabilizer keeps them and says so.
 */
import { jitter } from "../../core/clock.ts";
import type { EndpointSpec } from "../../core/endpoint.ts";
import type { Scope } from "../../core/scope.ts";
import type { Discovery, DiscoveryHost } from "./discovery.ts";
import { type AddressRecord, DnsQuestions, type FamilyAnswer } from "./dns_questions.ts";
import { joinAddress } from "./endpoint_address.ts";

/** Questions are not asked more often than this, unless `every` says so. */
const floorMs = 1000;
/** SRV targets that are looked at. */
const mostTargets = 1024;
/** Names that are asked for at once. */
const atOnce = 16;

/** How servers are asked. */
export interface DnsOptions {
  /** `127.0.0.1:5300`, instead of the system's name servers. */
  servers?: readonly string[];
  /** For one server and one question. */
  timeoutMs?: number;
}

/** `discover: { dns: … }`. The environment variable WEIR_DNS_SERVERS (`host:port,…`) is for tests, too. */
export function dnsDiscovery({ servers, timeoutMs = 1000 }: DnsOptions = {}): Discovery {
  return {
    kind: "discovery",
    name: "dns",
    make(host, scope) {
      const given = servers ?? Deno.env.get("WEIR_DNS_SERVERS")?.split(",");
      const questions = new DnsQuestions(given, timeoutMs);
      scope.defer(() => questions.close());
      new DnsWatch(host, questions, scope).ask();
    },
  };
}

/** Addresses by name and family as they were last answered; only of names that are still asked for. */
type Answers = Map<string, { v4: readonly AddressRecord[]; v6: readonly AddressRecord[] }>;

class DnsWatch {
  readonly #host: DiscoveryHost;
  readonly #plan: NonNullable<DiscoveryHost["plan"]["dns"]>;
  readonly #questions: DnsQuestions;
  readonly #scope: Scope;
  #answers: Answers = new Map();
  #problem = "";
  #cancel = () => {};

  constructor(host: DiscoveryHost, questions: DnsQuestions, scope: Scope) {
    this.#host = host;
    this.#plan = host.plan.dns!;
    this.#questions = questions;
    this.#scope = scope;
    scope.defer(() => this.#cancel());
  }

  /** One round, and the appointment for the next. */
  async ask(): Promise<void> {
    const { every } = this.#plan;
    let ttlMs = every;
    this.#problem = "";
    try {
      const { specs, ttl } = this.#plan.srv === null
        ? await this.#byName(this.#plan.name!, this.#plan.port!)
        : await this.#byService(this.#plan.srv);
      ttlMs = Math.min(every, 1000 * ttl);
      this.#host.publish(specs, this.#problem);
    } catch (error) {
      this.#host.fail(error);
    }
    if (this.#scope.closed) return;
    const delayMs = Math.max(Math.min(floorMs, every), ttlMs);
    // Slightly early rather than late: hosts that started together drift apart.
    this.#cancel = this.#host.clock.after(
      jitter(this.#host.clock, 0.95 * delayMs, 0.05),
      () => void this.ask(),
    );
  }

  async #byName(name: string, port: number): Promise<{ specs: EndpointSpec[]; ttl: number }> {
    const before = this.#answers;
    this.#answers = new Map();
    const { addresses, ttl } = await this.#addresses(name, before);
    const specs = addresses.map((ip) => spec(joinAddress(ip, port), 1, 0, name));
    return { specs, ttl };
  }

  async #byService(name: string): Promise<{ specs: EndpointSpec[]; ttl: number }> {
    const all = await this.#questions.services(name);
    // A single "." says that there is decidedly no such service.
    const records = all.filter((record) => record.name !== "." && record.name !== "" && record.port > 0)
      .slice(0, mostTargets);
    if (all.length > mostTargets) this.#complain(`only ${mostTargets} of ${all.length} SRV records are used`);
    const names = [...new Set(records.map((record) => record.name))];
    const before = this.#answers;
    this.#answers = new Map();
    const found = new Map<string, string[]>();
    let ttl = Infinity;
    for (let from = 0; from < names.length; from += atOnce) {
      const some = names.slice(from, from + atOnce);
      const answers = await Promise.all(some.map((target) => this.#addresses(target, before)));
      some.forEach((target, index) => found.set(target, answers[index]!.addresses));
      ttl = Math.min(ttl, ...answers.map((answer) => answer.ttl));
    }
    // Weight 0 is "hardly ever" beside others, and nothing special where all have it.
    const weighted = records.some((record) => record.weight > 0);
    const specs = records.flatMap((record) => {
      const addresses = found.get(record.name)!;
      const weight = (weighted ? Math.max(0.01, record.weight) : 1) / Math.max(1, addresses.length);
      return addresses.map((ip) => spec(joinAddress(ip, record.port), weight, record.priority, record.name));
    });
    return { specs, ttl };
  }

  /** Both families of a name; a family that nobody answers for keeps what it had. */
  async #addresses(name: string, before: Answers): Promise<{ addresses: string[]; ttl: number }> {
    const [v4, v6] = await this.#questions.addresses(name);
    const old = before.get(name);
    const kept = {
      v4: this.#orKept(v4, old?.v4, `A ${name}`),
      v6: this.#orKept(v6, old?.v6, `AAAA ${name}`),
    };
    if (v4 instanceof Error && v6 instanceof Error && old === undefined) throw v4;
    this.#answers.set(name, kept);
    const records = [...kept.v4, ...kept.v6];
    const ttl = Math.min(Infinity, ...records.map((record) => record.ttl));
    return { addresses: records.map(({ address }) => address).sort(), ttl };
  }

  #orKept(
    answer: FamilyAnswer,
    old: readonly AddressRecord[] | undefined,
    what: string,
  ): readonly AddressRecord[] {
    if (!(answer instanceof Error)) return answer;
    this.#complain(`${what}: ${answer.message}`);
    return old ?? [];
  }

  #complain(problem: string): void {
    this.#problem ||= problem;
  }
}

function spec(address: string, weight: number, priority: number, serverName: string): EndpointSpec {
  return { address, weight, role: null, priority, serverName: serverName.replace(/\.$/, "") };
}
