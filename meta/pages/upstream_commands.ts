/** What operators can do to an upstream: take an endpoint out of use and back, hold its breakers open or closed. */

import type { UpstreamAction, UpstreamCommand } from "../../core/control.ts";
import type { Actions, Document } from "../document.ts";
import { type Ask, complaint, type Endpoint } from "../endpoint.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import { endpointViews, upstreamPath, type UpstreamView } from "../upstream_view.ts";
import { commandAnswer } from "./commands.ts";
import { noSuchUpstream } from "./upstream.ts";

/** More endpoints than this are typed rather than chosen. */
const mostChoices = 30;

interface Command {
  action: UpstreamAction;
  title: string;
  label: string;
  summary: string;
  /** What it acts on. */
  of: "endpoint" | "breaker";
}

/** One POST each. */
const commands: readonly Command[] = [
  {
    action: "eject",
    title: "Eject an endpoint",
    label: "Eject",
    summary: "Take an endpoint out of use in all workers, also those to come, until it is restored.",
    of: "endpoint",
  },
  {
    action: "restore",
    title: "Restore an endpoint",
    label: "Restore",
    summary: "Use an endpoint again that was ejected by hand or by its failures.",
    of: "endpoint",
  },
  {
    action: "open",
    title: "Open a breaker",
    label: "Hold open",
    summary: "Refuse all calls until `auto`; `breaker` names one, otherwise all of the upstream.",
    of: "breaker",
  },
  {
    action: "close",
    title: "Close a breaker",
    label: "Hold closed",
    summary: "Let all calls through, whatever fails, until `auto`.",
    of: "breaker",
  },
  {
    action: "auto",
    title: "Release a breaker",
    label: "Automatic",
    summary: "Give a breaker back to its own judgement.",
    of: "breaker",
  },
];

const examples = {
  endpoint: "?endpoint=10.0.0.1:80&reason=slow+disk",
  breaker: "?reason=maintenance",
} as const;

/** The entries of the table of endpoints. */
export const upstreamCommands: readonly Endpoint[] = commands.map((command) => ({
  method: "POST",
  path: `/upstreams/:name/${command.action}`,
  title: command.title,
  summary: command.summary,
  tier: "write",
  example: examples[command.of],
  render: (sight, ask) => obey(sight, ask, command),
}));

function obey(sight: Sight, { params, query }: Ask, command: Command): Document | Promise<Document> {
  const { action, title, of } = command;
  const upstream = params.name!;
  if (!Object.hasOwn(sight.plan.upstreams, upstream)) return noSuchUpstream(sight, upstream);
  const wrong = (text: string, status = 400) => complaint(status, title, text);
  const target = (query.get(of) ?? "").trim();
  const reason = (query.get("reason") ?? "").trim();
  for (const [name, text] of [[of, target], ["reason", reason]] as const) {
    if (text.length > 300 || /\p{Cc}/u.test(text)) {
      return wrong(`\`${name}\` must be a line of at most 300 characters.`);
    }
  }
  if (of === "endpoint") {
    const known = endpointViews(sight.endpoints().filter((row) => row.upstream === upstream));
    const lost = new SeriesIndex(sight.series()).sum("weir_endpoints_dropped_total") ?? 0;
    if (target === "") return wrong("`endpoint` must name one, as the page of the upstream shows it.");
    // Of a set larger than the tables hold the workers know more than these pages; and what discovery has taken away
    // may be restored before it comes back.
    const checked = action === "eject" && lost === 0;
    if (checked && !known.some(({ key }) => key === target)) {
      const list = known.slice(0, 20).map(({ key }) => key).join(", ") || "none";
      return wrong(`${upstream} has no endpoint ${JSON.stringify(target)}. It has: ${list}.`, 404);
    }
  } else if (sight.plan.upstreams[upstream]!.breaker === null) {
    return wrong(`${upstream} has no breaker: the manifest asks for none.`);
  }
  const message: UpstreamCommand = {
    type: "upstreamCommand",
    upstream,
    action,
    endpoint: of === "endpoint" ? target : "",
    breaker: of === "breaker" ? target : "",
    reason,
  };
  return commandAnswer(sight, title, message);
}

/** The forms on the page of an upstream. */
export function upstreamForms({ name, plan, endpoints }: UpstreamView): Actions {
  const keys = endpoints.map(({ key }) => key);
  const options = keys.length <= mostChoices ? keys : undefined;
  const offered = commands.filter(({ of }) => of === "endpoint" ? keys.length > 0 : plan.breaker !== null);
  return {
    kind: "actions",
    key: "actions",
    title: "Act",
    note: "In all workers, and in those that start later; the reason stands in the log.",
    actions: offered.map(({ action, label, of }) => ({
      method: "post",
      path: `${upstreamPath(name)}/${action}`,
      label,
      fields: [
        of === "endpoint"
          ? { name: "endpoint", label: "Endpoint", value: keys[0], options }
          : { name: "breaker", label: "Breaker (empty: all)" },
        { name: "reason", label: "Reason" },
      ],
    })),
  };
}
