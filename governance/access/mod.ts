/**
 * Access: who may call, by network, by the common name of a verified certificate, by declared client name. What is
 * denied is looked at first; where somebody is allowed by name, nobody else is. A declared name is no proof of anything:
 * it keeps honest callers apart, a certificate keeps out the others.
 */
import { Refusal } from "../../core/errors.ts";
import type { AccessPlan } from "../../core/manifest/plan.ts";
import { Networks, plainAddress } from "../../core/networks.ts";
import type { Call, ServerFilter, ServerFilterKind } from "../../core/server_filter.ts";

/** Of a rule that only watches, each listener writes one line in this time; the counter has all. */
const shadowLogMs = 1000;

/** See core/server_filter.ts. */
export const access = {
  kind: "serverFilter",
  name: "access",
  why: "before admission: who may not call takes no place and waits for nothing",
  make({ listener, plan, stats, log, clock }): ServerFilter | undefined {
    const rules = plan.access as AccessPlan | null | undefined;
    if (!rules) return undefined;
    const denied = rulesOf(rules.deny);
    const allowed = rulesOf(rules.allow);
    const mayCall = (call: Call) => !denied?.(call) && (allowed === undefined || allowed(call));
    if (!rules.shadow) return { before: (call) => mayCall(call) ? undefined : new Refusal("forbidden") };
    const shadowed = stats.counter(
      "weir_access_shadowed_total",
      { listener },
      "Requests that access rules would have refused",
    );
    let loggedAt = -Infinity;
    return {
      before(call) {
        if (mayCall(call)) return undefined;
        shadowed.add();
        const now = clock.now();
        if (now - loggedAt >= shadowLogMs) {
          loggedAt = now;
          const { address, client, subject } = call;
          log.info("access would be refused", { listener, address, client, subject });
        }
        return undefined;
      },
    };
  },
} as const satisfies ServerFilterKind;

/** Whether one of `rules` is about a call; undefined without rules. */
function rulesOf(rules: readonly string[]): ((call: Call) => boolean) | undefined {
  if (rules.length === 0) return undefined;
  const named = (kind: string) =>
    new Set(rules.filter((rule) => rule.startsWith(kind)).map((rule) => rule.slice(kind.length)));
  const subjects = named("subject:");
  const clients = named("client:");
  const networks = new Networks(rules.filter((rule) => !/^(?:client|subject):/.test(rule)));
  return (call) =>
    networks.has(plainAddress(call.address)) ||
    subjects.size > 0 && subjects.has(call.subject) ||
    clients.size > 0 && clients.has(call.client);
}
