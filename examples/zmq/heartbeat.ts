/** Tells everybody who wants to know that this service lives, and what it has counted. */
import type { Context } from "../../mod.ts";
import { counts } from "./stats.ts";

export default async function heartbeat(ctx: Context): Promise<void> {
  await ctx.upstream("beats").publish("heartbeat", { at: Date.now(), counts: Object.fromEntries(counts) });
}
