/** Figures of time on a machine that others use too: one good try of several proves that it can be done. */

/** Runs `attempt` until it does not throw, at most `tries` times; throws what the last one threw. */
export async function bestOf<T>(tries: number, attempt: () => Promise<T>): Promise<T> {
  for (let left = tries - 1;; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left <= 0) throw error;
    }
  }
}
