/**
 * The schema of the manifest: the one source of validation, defaults, the Plan's types, `service.schema.json`
 * and the reference docs.
 *
 * Written in zod 4 rather than typebox: its output types follow defaults and transforms (a duration is text in
 * the manifest and a number in the Plan, from one declaration), it reports every problem with its path, it
 * writes draft-07 by itself, and it loads in half the time. Only the compile loads it, never a worker: children get
 * the Plan as JSON, and plan.ts takes nothing but types from here.
 */
import { z } from "zod";
import { loop, pool, workers } from "./schema_common.ts";
import { listener } from "./schema_listener.ts";
import { governance } from "./schema_governance.ts";
import { logs, meta, telemetry } from "./schema_logs.ts";
import { stream } from "./schema_stream.ts";
import { upstream } from "./schema_upstream.ts";
import { byName, defaulted, optional, required, shaped, text } from "./terms.ts";

export const manifest = z.strictObject({
  service: required(
    shaped(
      /^[a-z][a-z0-9-]*$/,
      "a name of small letters, digits and `-` that begins with a letter",
      (written) => {
        const near = String(written).toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^[^a-z]+|-+$/g, "");
        return near === "" ? [] : [near];
      },
    ),
    "Name of the service.",
  ),
  version: optional(text("text such as `1.4.0`"), "Version of the service, shown everywhere."),
  cluster: defaulted(text("the name of a cluster"), "default", "Which cluster's configuration applies."),
  workers,
  listeners: defaulted(byName(listener), {}, "What the service listens on, by name."),
  pools: defaulted(byName(pool), {}, "Threads for handlers that would block the loop, by name."),
  upstreams: defaulted(byName(upstream), {}, "Services that this one calls, by name."),
  streams: defaulted(byName(stream), {}, "Streams of records that this service writes, by name."),
  loops: defaulted(byName(loop), {}, "Code that runs again and again, by name."),
  logs,
  governance,
  telemetry,
  meta,
}).check(z.check((payload) => {
  const { listeners, loops } = payload.value;
  if (payload.issues.length > 0 || Object.keys(listeners).length + Object.keys(loops).length > 0) return;
  payload.issues.push({
    code: "custom",
    message: "declares nothing to run: it needs `listeners` or `loops`",
    input: payload.value,
  });
})).meta({
  anyOf: [
    { required: ["listeners"], properties: { listeners: { minProperties: 1 } } },
    { required: ["loops"], properties: { loops: { minProperties: 1 } } },
  ],
});
