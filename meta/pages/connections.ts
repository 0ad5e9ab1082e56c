/** The open connections of all workers, oldest first. */

import { cell } from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import { limitOf } from "../limit_of.ts";
import { phaseName } from "../phase_name.ts";

export const connections = {
  method: "GET",
  path: "/connections",
  title: "Connections",
  summary: "Open connections: peer, age, idle time, requests, bytes. Filter by listener, worker or peer.",
  tier: "read",
  nav: true,
  example: "?limit=20",
  render(sight, { query }) {
    const limit = limitOf(query, 200);
    if (limit === null) {
      return complaint(400, "Connections", "`limit` must be a whole number from 1 to 10000.");
    }
    const { total, rows } = sight.connections(Infinity);
    const wanted = {
      listener: query.get("listener") ?? "",
      worker: query.get("worker") ?? "",
      peer: query.get("peer") ?? "",
    };
    const found = rows.filter((row) =>
      (wanted.listener === "" || row.listener === wanted.listener) &&
      (wanted.worker === "" || row.worker === wanted.worker) &&
      (wanted.peer === "" || row.peer.includes(wanted.peer))
    );
    const shown = found.slice(0, limit);
    const names = ["", ...Object.keys(sight.plan.listeners)];
    return {
      title: "Connections",
      sections: [
        {
          kind: "actions",
          key: "filter",
          title: "",
          actions: [{
            method: "get",
            path: "/connections",
            label: "Filter",
            fields: [
              { name: "listener", label: "Listener", value: wanted.listener, options: names },
              { name: "worker", label: "Worker", value: wanted.worker },
              { name: "peer", label: "Peer contains", value: wanted.peer },
              { name: "limit", label: "Limit", value: String(limit) },
            ],
          }],
        },
        {
          kind: "table",
          key: "connections",
          title: `${shown.length} of ${found.length} shown, ${total} open`,
          columns: [
            { key: "listener", label: "Listener" },
            { key: "worker", label: "Worker", as: "code" },
            { key: "peer", label: "Peer", as: "code" },
            { key: "tls", label: "TLS" },
            { key: "phase", label: "Phase" },
            { key: "ageMs", label: "Age", as: "duration" },
            { key: "quietMs", label: "Quiet for", as: "duration" },
            { key: "requests", label: "Requests", as: "count" },
            { key: "bytesIn", label: "In", as: "bytes" },
            { key: "bytesOut", label: "Out", as: "bytes" },
          ],
          rows: shown.map((row) => [
            cell(row.listener, "text", { href: `/listeners/${encodeURIComponent(row.listener)}` }),
            row.worker,
            row.peer,
            row.tls,
            phaseName(row.phase),
            Math.max(0, sight.now - row.openedAt),
            Math.max(0, sight.now - row.activeAt),
            row.requests,
            row.bytesIn,
            row.bytesOut,
          ]),
          empty: "No connection is open, or none matches.",
        },
      ],
    };
  },
} satisfies Endpoint;
