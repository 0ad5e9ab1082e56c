/** The index: how the service is, and every page with a line to try it. */

import { attention } from "../attention.ts";
import { type Actions, cell, type Table } from "../document.ts";
import type { Endpoint } from "../endpoint.ts";
import { exampleLine } from "../example_line.ts";
import { SeriesIndex } from "../series_index.ts";
import type { Sight } from "../sight.ts";
import { attentionTable, serviceFacts } from "./status.ts";

/** The index over `table`; a function, because the index stands in the table itself. */
export function index(table: () => readonly Endpoint[]): Endpoint {
  return {
    method: "GET",
    path: "/",
    title: "Overview",
    summary: "What needs a look, and a list of all pages.",
    tier: "read",
    nav: true,
    render(sight, { base }) {
      const all = table();
      return {
        title: sight.plan.service,
        sections: [
          attentionTable(attention(sight, new SeriesIndex(sight.series()))),
          serviceFacts(sight),
          pageTable(sight, all.filter((one) => one.method === "GET"), base),
          commandTable(sight, all.filter((one) => one.method === "POST"), base),
          commandForms(),
        ],
      };
    },
  };
}

function pageTable(sight: Sight, pages: readonly Endpoint[], base: string): Table {
  const rows = pages.flatMap((page) =>
    (page.paths?.(sight) ?? [page.path]).map((path) => [
      cell(path, "code", { href: path + (page.example ?? "") }),
      page.paths ? `${page.title} ${decodeURIComponent(path.slice(path.lastIndexOf("/") + 1))}` : page.title,
      page.summary,
      cell(exampleLine(base, "GET", path + (page.example ?? "")), "code", { tone: "quiet" }),
    ])
  );
  return {
    kind: "table",
    key: "pages",
    title: "Pages",
    note: "Text for curl, HTML for a browser, JSON with ?format=json or Accept: application/json; " +
      "?refresh=2 keeps a page in the browser fresh.",
    columns: [
      { key: "path", label: "Path", as: "code" },
      { key: "title", label: "Page" },
      { key: "summary", label: "What it shows" },
      { key: "example", label: "Try", as: "code" },
    ],
    rows,
    empty: "",
  };
}

function commandTable({ plan }: Sight, all: readonly Endpoint[], base: string): Table {
  const [upstream] = Object.keys(plan.upstreams);
  const commands = all.filter(({ path }) => upstream !== undefined || !path.includes(":name"));
  const named = (path: string) =>
    path.replace(":id", "1").replace(":name", encodeURIComponent(upstream ?? ""));
  return {
    kind: "table",
    key: "commands",
    title: "Commands",
    note: "POST only, and only with the token of `meta.token`.",
    columns: [
      { key: "path", label: "Path", as: "code" },
      { key: "summary", label: "What it does" },
      { key: "example", label: "Try", as: "code" },
    ],
    rows: commands.map((command) => [
      command.path,
      command.summary,
      cell(exampleLine(base, "POST", named(command.path) + (command.example ?? "")), "code", {
        tone: "quiet",
      }),
    ]),
    empty: "",
  };
}

function commandForms(): Actions {
  return {
    kind: "actions",
    key: "actions",
    formsOnly: true,
    title: "Act",
    actions: [
      {
        method: "post",
        path: "/reload",
        label: "Reload",
        fields: [{ name: "wait", label: "Wait until done", value: "yes", options: ["yes", "no"] }],
      },
      { method: "post", path: "/drain", label: "Drain", fields: [], warning: "Ends the service." },
    ],
  };
}
