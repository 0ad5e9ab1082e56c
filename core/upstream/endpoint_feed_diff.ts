/** What is different between two sets of endpoints. Pure, linear in their size: 10,000 endpoints take a few ms. */
import { type EndpointChange, endpointKey, type EndpointSpec } from "../endpoint.ts";

/** A set by identity; see {@link endpointKey}. */
export type EndpointMap = ReadonlyMap<string, EndpointSpec>;

/** From `before` to `next`, and `next` as a map. Of specs with the same identity the first one counts. */
export function diffEndpoints(
  before: EndpointMap,
  next: readonly EndpointSpec[],
): { change: EndpointChange; after: EndpointMap } {
  const after = new Map<string, EndpointSpec>();
  const added: EndpointSpec[] = [];
  const changed: EndpointSpec[] = [];
  for (const spec of next) {
    const key = endpointKey(spec);
    if (after.has(key)) continue;
    after.set(key, spec);
    const old = before.get(key);
    if (old === undefined) added.push(spec);
    else if (differs(old, spec)) changed.push(spec);
  }
  const removed: EndpointSpec[] = [];
  // Where all that was there is there still, nothing was taken away.
  if (after.size - added.length < before.size) {
    for (const [key, spec] of before) if (!after.has(key)) removed.push(spec);
  }
  return { change: { added, removed, changed }, after };
}

/** True where nothing is added, removed or changed. */
export function isNoChange({ added, removed, changed }: EndpointChange): boolean {
  return added.length === 0 && removed.length === 0 && changed.length === 0;
}

function differs(a: EndpointSpec, b: EndpointSpec): boolean {
  return a.weight !== b.weight || a.priority !== b.priority || a.serverName !== b.serverName;
}
