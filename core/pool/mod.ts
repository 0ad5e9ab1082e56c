/** Pools of threads: see pool.ts. */
export { createPool, Pool } from "./pool.ts";
export type { Message, Payload } from "./message.ts";
export type {
  BoundService,
  DispatchOptions,
  PoolDescription,
  PoolOptions,
  PoolSettings,
  RunOptions,
  ThreadDescription,
} from "./pool_options.ts";
export { currentContext } from "./current_context.ts";
