/** The splitter's handler on bare Deno.serve: no log, no statistics, no stream, no limits. */
import splitter, { start } from "../../examples/splitter/split.ts";
import type { Context } from "../../mod.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const stats = { counter() {}, gauge() {}, timing() {}, distinct() {} };
const nowhere = { offer: () => true };
const log = { ...quiet, child: () => log };
const context = { log, stats, stream: () => nowhere } as unknown as Context;
await start(context);
const port = Number(Deno.env.get("PORT"));
Deno.serve(
  { hostname: "127.0.0.1", port, reusePort: true, onListen() {} },
  (request) => splitter.fetch(request, context),
);
