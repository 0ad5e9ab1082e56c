/** Does to a map what a change says, and complains where the change does not fit. */
import { type EndpointChange, endpointKey, type EndpointSpec } from "../../endpoint.ts";

export function applyChange(specs: Map<string, EndpointSpec>, { added, removed, changed }: EndpointChange): void {
  for (const spec of removed) {
    if (!specs.delete(endpointKey(spec))) throw new Error(`${endpointKey(spec)} was removed and was not there`);
  }
  for (const spec of added) {
    if (specs.has(endpointKey(spec))) throw new Error(`${endpointKey(spec)} was added twice`);
    specs.set(endpointKey(spec), spec);
  }
  for (const spec of changed) {
    if (!specs.has(endpointKey(spec))) throw new Error(`${endpointKey(spec)} was changed and was not there`);
    specs.set(endpointKey(spec), spec);
  }
}
