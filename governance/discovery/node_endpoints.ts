/**
 * Endpoints kept as nodes of a registry (keys of etcd, children of a ZooKeeper node). The value of a node is, in this
 * order of trying:
 *
 *   {"address": "10.0.0.1:80", "weight": 2, "role": "replica", "priority": 0}    JSON; other keys in it are ignored
 *   10.0.0.1:80                                                                  an address, as in the manifest
 *   (empty)                                                                      then the key's last segment is the address
 *
 * A node whose new value makes no sense keeps the endpoint that it had.
 */
import type { EndpointSpec } from "../../core/endpoint.ts";
import { mostEndpoints } from "../../core/upstream/endpoint_feed_source.ts";
import { endpointFrom } from "./endpoint_value.ts";

const mostValueBytes = 16 * 1024;

/** The endpoint that `value` of node `key` stands for. Throws SyntaxError with what is wrong. */
export function endpointOfNode(key: string, value: string): EndpointSpec {
  const text = value.trim();
  if (text.length > mostValueBytes) {
    throw new SyntaxError(`the value is longer than ${mostValueBytes} characters`);
  }
  if (text === "") return endpointFrom(key.slice(key.lastIndexOf("/") + 1));
  if (!text.startsWith("{")) return endpointFrom(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`the value is no JSON: ${(error as Error).message}`);
  }
  return endpointFrom(parsed);
}

/** The nodes of one prefix. */
export class NodeEndpoints {
  readonly #specs = new Map<string, EndpointSpec>();
  readonly #problems = new Map<string, string>();

  get size(): number {
    return this.#specs.size + [...this.#problems.keys()].filter((key) => !this.#specs.has(key)).length;
  }

  /** Node `key` has this value now. */
  set(key: string, value: string): void {
    try {
      this.#specs.set(key, endpointOfNode(key, value));
      this.#problems.delete(key);
    } catch (error) {
      // Bounded like the set itself; what comes after is counted nowhere, but the answer is refused as too large anyway.
      if (this.#problems.size < mostEndpoints) this.#problems.set(key, (error as Error).message);
    }
  }

  delete(key: string): void {
    this.#specs.delete(key);
    this.#problems.delete(key);
  }

  has(key: string): boolean {
    return this.#specs.has(key) || this.#problems.has(key);
  }

  /** Forgets all nodes that are not in `keys`. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of [...this.#specs.keys(), ...this.#problems.keys()]) if (!keys.has(key)) this.delete(key);
  }

  /** Sorted by key, so that the same nodes make the same set. */
  specs(): EndpointSpec[] {
    return [...this.#specs].sort(([a], [b]) => a < b ? -1 : 1).map(([, spec]) => spec);
  }

  /** What cannot be used, in one sentence; empty where all is well. */
  get problem(): string {
    if (this.#problems.size === 0) return "";
    const [key, why] = this.#problems.entries().next().value!;
    const all = this.size;
    return `${this.#problems.size} of ${all} nodes cannot be used; the first: ${key}: ${why}`;
  }
}
