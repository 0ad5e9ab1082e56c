/**
 * Who may ask what. Every request passes here before any page is made: the Host it names (against DNS rebinding), the
 * Origin of what changes something, the token. It decides from what it is given and touches nothing.
 *
 * The rules: writes need the token, always, in `Authorization: Bearer` or the form field `token`; where the listener is
 * reachable from other machines, everything needs it, and browsers may then send it as the password of Basic
 * authorization, for reading only, because browsers send that unasked.
 */

import { isLoopback, type MetaAddress } from "./meta_address.ts";

/** What an endpoint does, and so what it takes to ask for it. */
export type Tier = "probe" | "read" | "write";

/** Why a request is not answered. */
export interface Refusal {
  status: 401 | 403 | 421;
  text: string;
  headers?: Record<string, string>;
}

/** Options of {@link Guard}. */
export interface GuardOptions {
  listen: readonly MetaAddress[];
  /** Empty: no token is set. */
  token: string;
  /** This machine's own name, allowed as Host where the listener is reachable from others. */
  hostname?: string;
}

const wildcards = new Set(["0.0.0.0", "::"]);

/** Checks requests of one set of addresses and one token. Throws TypeError when that would leave the pages open. */
export class Guard {
  readonly #names: Set<string>;
  readonly #anyLiteral: boolean;
  readonly #digest: Promise<Uint8Array> | null;
  /** Whether only this machine reaches the pages. */
  readonly local: boolean;

  constructor({ listen, token, hostname }: GuardOptions) {
    this.local = listen.every((address) => address.transport === "unix" || isLoopback(address.hostname));
    if (!this.local && token === "") {
      throw new TypeError(
        "Cannot open the meta pages: meta.listen is reachable from other machines, so meta.token must be set",
      );
    }
    const hostnames = listen.flatMap((address) =>
      address.transport === "tcp" ? [bare(address.hostname)] : []
    );
    this.#names = new Set(["localhost", ...hostnames.filter((name) => !wildcards.has(name))]);
    // Rebinding needs a name: an address in the Host was typed, not resolved.
    this.#anyLiteral = hostnames.some((name) => wildcards.has(name));
    if (!this.local && hostname) this.#names.add(hostname.toLowerCase());
    this.#digest = token === "" ? null : sha256(token);
  }

  /** Whether a token is set at all. */
  get hasToken(): boolean {
    return this.#digest !== null;
  }

  /** The Host and the Origin of a request; null when both are right. Needs no body. */
  checkOrigin(request: Request): Refusal | null {
    const authority = new URL(request.url).host;
    const host = request.headers.get("host") ?? authority;
    if (!this.#allows(host) || (request.headers.has("host") && !this.#sameOrAllowed(host, authority))) {
      return {
        status: 421,
        text: `These pages do not answer for the host ${JSON.stringify(host.slice(0, 100))}. ` +
          `Ask by the listening address or as localhost.`,
      };
    }
    if (request.method === "GET" || request.method === "HEAD" || request.method === "OPTIONS") return null;
    const origin = request.headers.get("origin");
    const site = request.headers.get("sec-fetch-site");
    const foreign = (origin !== null && origin !== `http://${host}` && origin !== `https://${host}`) ||
      (site !== null && site !== "same-origin" && site !== "none");
    return foreign ? { status: 403, text: "A page of another origin may not send this." } : null;
  }

  /** The token, where this tier needs it; `field` is the form field of a POST. */
  async checkToken(request: Request, tier: Tier, field: string | null): Promise<Refusal | null> {
    if (this.local && tier !== "write") return null;
    if (this.#digest === null) {
      return {
        status: 403,
        text:
          "Nothing can be changed here, because no token is set. Set `meta.token` in the manifest and reload.",
      };
    }
    const given = presented(request, tier) ?? field;
    if (given !== null && equalBytes(await sha256(given), await this.#digest)) return null;
    return {
      status: 401,
      text: given === null
        ? "This needs the token of `meta.token`: send `Authorization: Bearer <token>`."
        : "The token is not the one of `meta.token`.",
      headers: {
        "www-authenticate": tier === "write" ? 'Bearer realm="weir"' : 'Basic realm="weir", charset="UTF-8"',
      },
    };
  }

  #allows(host: string): boolean {
    const name = hostnameOf(host);
    if (name === null) return false;
    return this.#names.has(name) || isLoopback(name) || (this.#anyLiteral && isLiteral(name));
  }

  /** An absolute-form target may name another authority than the Host header: that one counts as well. */
  #sameOrAllowed(host: string, authority: string): boolean {
    return host === authority || this.#allows(authority);
  }
}

function presented(request: Request, tier: Tier): string | null {
  const header = request.headers.get("authorization");
  const match = header === null ? null : /^(bearer|basic) +(.+)$/i.exec(header.trim());
  if (match === null) return null;
  if (match[1]!.toLowerCase() === "bearer") return match[2]!;
  if (tier === "write") return null;
  try {
    const bytes = Uint8Array.from(atob(match[2]!), (char) => char.charCodeAt(0));
    const pair = new TextDecoder().decode(bytes);
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    // Not base64: as good as no token.
    return null;
  }
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Digests have equal lengths, so the time tells nothing of the token, its length neither. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

function hostnameOf(host: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(host);
  return match === null ? null : bare(match[1]!);
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
}

function isLiteral(name: string): boolean {
  return name.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
}
