/**
 * Where policies get the numbers that all workers share: a block by the name of its upstream. Where the shared table is
 * full they get numbers of their own, so that a policy works on, for this worker alone; that is logged once per upstream
 * and kind.
 */
import type { PolicyHost } from "../../core/upstream/contract.ts";
import { blockLength, SharedInt32 } from "../../core/stats/mod.ts";

const longestName = 48;

/** The block of `kind` (a word) for this upstream and `key`; its numbers are all 0 at first. */
export function sharedBlock(host: PolicyHost, kind: string, key = ""): readonly SharedInt32[] {
  try {
    return host.shared.block(blockName(kind, host.name, key));
  } catch (error) {
    logOnce(host, kind, error);
    const own = new Int32Array(blockLength);
    return Array.from({ length: blockLength }, (_, n) => new SharedInt32(own, n));
  }
}

const logged = new WeakMap<PolicyHost, Set<string>>();

function logOnce(host: PolicyHost, kind: string, error: unknown): void {
  let kinds = logged.get(host);
  if (!kinds) logged.set(host, kinds = new Set());
  if (kinds.has(kind)) return;
  kinds.add(kind);
  host.log.warn("no shared numbers are left: this worker counts alone", { upstream: host.name, kind, error });
}

/** A name that fits: what is too long, or not plain, is replaced by its hash. */
export function blockName(kind: string, upstream: string, key: string): string {
  const plain = key === "" ? `${kind}.${upstream}` : `${kind}.${upstream}.${key}`;
  if (plain.length <= longestName && /^[\x20-\x7e]*$/.test(plain)) return plain;
  return `${kind}#${fnv64(`${upstream} ${key}`)}`;
}

/** FNV-1a, 64 bits (Fowler, Noll, Vo). */
function fnv64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(36);
}
