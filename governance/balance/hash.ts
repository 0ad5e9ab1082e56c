/**
 * Hashes of 32 bits for placing keys and endpoints. The same in every process and on every machine, so that all workers
 * send a key to the same endpoint. Not for anything an attacker gains by colliding.
 */

/** FNV-1a over the UTF-16 units of `text`, finished by {@link mix}. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of `hash`. */
export function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The hash number `n` of something whose hash is `hash`. */
export function rehash(hash: number, n: number): number {
  return mix(hash + Math.imul(n, 0x9e3779b9));
}
