/**
 * The Context of the call that runs now on this pool thread, for functions that were called by name (`pool.run`) and so
 * get no Context as an argument. Undefined on the main thread.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Context } from "../context.ts";

/** @internal */
export const callContext = new AsyncLocalStorage<Context>();

/** The Context of the pool call that this code runs in; undefined outside of one. */
export function currentContext(): Context | undefined {
  return callContext.getStore();
}
