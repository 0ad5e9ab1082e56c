/** Every series of the service, with the last minute of each. The raw material of all other pages. */

import { cell } from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import { limitOf } from "../limit_of.ts";
import { matchGlob } from "../match_glob.ts";

export const series = {
  method: "GET",
  path: "/series",
  title: "Series",
  summary: "All statistics with the last minute of each; `filter` is a part of a name or a glob.",
  tier: "read",
  nav: true,
  example: "?filter=weir_requests*",
  render(sight, { query }) {
    const limit = limitOf(query, 500);
    if (limit === null) return complaint(400, "Series", "`limit` must be a whole number from 1 to 10000.");
    const filter = query.get("filter") ?? "";
    const all = sight.series();
    const found = all.filter((one) => matchGlob(filter, one.name));
    const shown = found.slice(0, limit);
    return {
      title: "Series",
      sections: [
        {
          kind: "actions",
          key: "filter",
          title: "",
          actions: [{
            method: "get",
            path: "/series",
            label: "Filter",
            fields: [{ name: "filter", label: "Name", value: filter }],
          }],
        },
        {
          kind: "table",
          key: "series",
          title: `${shown.length} of ${found.length} shown, ${all.length} in all`,
          columns: [
            { key: "name", label: "Name", as: "code" },
            { key: "labels", label: "Labels", as: "code" },
            { key: "kind", label: "Kind" },
            { key: "unit", label: "Unit" },
            { key: "value", label: "Value", as: "count" },
            { key: "perSecond", label: "Rate", as: "rate" },
            { key: "p50", label: "p50", as: "duration" },
            { key: "p99", label: "p99", as: "duration" },
            { key: "history", label: "Last minute", as: "history" },
            { key: "help", label: "What it is" },
          ],
          rows: shown.map((one) => {
            const trend = sight.trend(one);
            const window = sight.recentLatency(one);
            const unit = one.distribution?.unit;
            const as = unit === "ms" ? "duration" : unit === "bytes" ? "bytes" : "count";
            return [
              one.name,
              one.worker === undefined
                ? one.labelText
                : [one.labelText, `worker="${one.worker}"`].filter(Boolean).join(","),
              one.kind,
              unit === undefined || unit === "one" ? null : unit,
              one.value,
              cell(one.kind === "counter" || one.kind === "histogram" ? trend.ratePerSecond : null),
              cell(window?.quantile(0.5) ?? null, as),
              cell(window?.quantile(0.99) ?? null, as),
              cell(trend.points, "history"),
              one.help,
            ];
          }),
          empty: "No series matches.",
        },
      ],
    };
  },
} satisfies Endpoint;
