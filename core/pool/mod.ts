/** Pools of threads: see pool.ts. */
export {
  type BoundService,
  createPool,
  type DispatchOptions,
  Pool,
  type PoolDescription,
  type PoolOptions,
  type PoolSettings,
  type RunOptions,
  type ThreadDescription,
} from "./pool.ts";
export { currentContext } from "./current_context.ts";
export type { SeriesWriter } from "./pool_metrics.ts";
