/**
 * Questions to name servers: all A and AAAA records of a name with their TTL, and SRV records. Each server gets its own
 * time, one after the other. Remembers nothing and judges nothing: "there is no such record" is an answer like others.
 */
import { lookup, Resolver } from "node:dns/promises";
import type { SrvRecord } from "node:dns";
import { isIP } from "node:net";

/** One address of a name. */
export interface AddressRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

/** Addresses of one family, or why there is no answer. */
export type FamilyAnswer = readonly AddressRecord[] | Error;

/** Longest wait for the system's own resolver, which has no limit that can be set. */
const lookupMs = 5000;

/** Asks name servers. */
export class DnsQuestions {
  readonly #servers: readonly string[] | undefined;
  readonly #timeoutMs: number;
  readonly #open = new Set<Resolver>();
  #closed = false;

  /** `servers` (`127.0.0.1:53`) instead of the system's; `timeoutMs` for each of them. */
  constructor(servers: readonly string[] | undefined, timeoutMs: number) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
  }

  /** Both families at once. An error stands for a family that nobody answered for. */
  async addresses(name: string): Promise<[v4: FamilyAnswer, v6: FamilyAnswer]> {
    const bare = name.replace(/^\[(.*)\]$/, "$1");
    if (isIP(bare) !== 0) {
      const one = [{ address: bare, ttl: Infinity }];
      return isIP(bare) === 4 ? [one, []] : [[], one];
    }
    const [v4, v6] = await Promise.all([
      this.#ask((resolver) => resolver.resolve4(name, { ttl: true })).catch(toError),
      this.#ask((resolver) => resolver.resolve6(name, { ttl: true })).catch(toError),
    ]);
    const nothing = !(v4 instanceof Error) && !(v6 instanceof Error) && v4.length + v6.length === 0;
    // Names of /etc/hosts and of search domains are known to the system alone.
    return nothing && this.#servers === undefined ? await lookUp(name) : [v4, v6];
  }

  /** SRV records; empty where there are none. Rejects where nobody answers. */
  services(name: string): Promise<SrvRecord[]> {
    return this.#ask((resolver) => resolver.resolveSrv(name));
  }

  /** Ends what is being asked. */
  close(): void {
    this.#closed = true;
    for (const resolver of this.#open) resolver.cancel();
  }

  /** The first server that has records wins; "no such record" counts only where every server that answers says so. */
  async #ask<Record>(question: (resolver: Resolver) => Promise<Record[]>): Promise<Record[]> {
    const servers = this.#servers ?? systemServers();
    let failure: unknown;
    let answered = false;
    for (const server of servers) {
      if (this.#closed) throw new Error("the question was given up");
      const resolver = new Resolver({ timeout: this.#timeoutMs, tries: 1 });
      resolver.setServers([server]);
      this.#open.add(resolver);
      try {
        const records = await question(resolver);
        if (records.length > 0) return records;
        answered = true;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === "ENOTFOUND" || code === "ENODATA") answered = true;
        else failure = new Error(`${server} does not answer: ${code ?? error}`, { cause: error });
      } finally {
        this.#open.delete(resolver);
      }
    }
    if (answered) return [];
    throw failure ?? new Error("no name server is known");
  }
}

/** Asked every time: resolv.conf changes while we run. */
function systemServers(): string[] {
  return [...new Set(new Resolver().getServers())];
}

async function lookUp(name: string): Promise<[FamilyAnswer, FamilyAnswer]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the system's resolver does not answer")), lookupMs);
  });
  try {
    const found = await Promise.race([lookup(name, { all: true }), late]);
    const of = (family: number) =>
      found.filter((one) => one.family === family).map(({ address }) => ({ address, ttl: Infinity }));
    return [of(4), of(6)];
  } catch (error) {
    if ((error as { code?: string }).code === "ENOTFOUND") return [[], []];
    return [toError(error), toError(error)];
  } finally {
    clearTimeout(timer);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
