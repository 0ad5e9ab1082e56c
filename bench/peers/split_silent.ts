/** The splitter's handler, whose records go nowhere: what its stream costs is the difference. */
import splitter from "../../examples/splitter/split.ts";
import type { Context } from "../../mod.ts";

export { start, stop } from "../../examples/splitter/split.ts";

const nowhere = { offer: () => true };
let context: Context | undefined;

export default {
  fetch(request: Request, ctx: Context): Response | Promise<Response> {
    context ??= { stats: ctx.stats, log: ctx.log, stream: () => nowhere } as unknown as Context;
    return splitter.fetch(request, context);
  },
};
