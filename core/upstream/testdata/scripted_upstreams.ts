/** Upstreams with the policies of a worker, whose endpoints come and go as the test says, over a scripted network. */
import { policies } from "../../../governance/policies.ts";
import type { EndpointFeed, EndpointSpec } from "../../endpoint.ts";
import { compile } from "../../manifest/mod.ts";
import { Scope } from "../../scope.ts";
import { localStatsMemory } from "../../stats/mod.ts";
import type { UpstreamProtocol } from "../contract.ts";
import { Upstreams } from "../upstreams.ts";
import { ManualClock, ScriptedNetwork, silent } from "./scripted.ts";

const protocol: UpstreamProtocol<string, string, unknown> = {
  kind: "upstreamProtocol",
  name: "http",
  alpn: () => [],
  connect: () => {
    throw new Error("nothing is dialled");
  },
  judge: (reply) => ({ ok: !reply.startsWith("5"), status: Number(reply) || 0, retryAfterMs: 0 }),
  probe: () => ({ request: "probe", good: (reply) => !reply.startsWith("5") }),
  handle: (caller) => caller,
};

export function specOf(id: number, keys: Partial<EndpointSpec> = {}): EndpointSpec {
  const address = `10.${id >> 16}.${id >> 8 & 255}.${id & 255}:80`;
  return { address, weight: 1, role: null, priority: 0, ...keys };
}

/** `upstreams.users` with these keys; `tell` plays discovery. */
export function scriptedUpstreams(keys: Record<string, unknown> = {}) {
  const { plan, diagnostics } = compile({
    service: "test",
    listeners: { web: { protocol: "http", listen: "127.0.0.1:0", routes: [{ respond: { body: "x" } }] } },
    upstreams: { users: { protocol: "http", discover: { static: ["10.0.0.1:80"] }, ...keys } },
  });
  if (!plan) throw new Error(JSON.stringify(diagnostics));
  const clock = new ManualClock();
  const network = new ScriptedNetwork();
  const memory = localStatsMemory(1);
  const stats = memory.slot(0).writer({ role: "worker", id: 1, generation: 1 });
  const scope = new Scope("test");
  let onChange: Parameters<EndpointFeed["watch"]>[1] = () => {};
  const state = { source: "test", updatedAt: 0, error: "", cached: false };
  const upstreams = new Upstreams({
    plan,
    parts: { ...policies, protocols: [protocol] },
    feed: {
      watch: (_name, callback) => {
        onChange = callback;
        return () => {};
      },
    },
    stats,
    tables: stats,
    shared: memory.shared,
    clock,
    logger: () => silent,
    open: (host) => network.open(host),
  }, scope);
  const users = upstreams.all.get("users")!;
  const tell = (change: { added?: EndpointSpec[]; removed?: EndpointSpec[]; changed?: EndpointSpec[] }) =>
    onChange({ added: [], removed: [], changed: [], ...change }, state);
  const owner = { deadlineAt: Infinity, abandoned: false };
  const call = (options = {}) => users.caller.call("x", owner, options) as Promise<string>;
  return { upstreams, users, clock, network, tell, call, scope, state };
}
