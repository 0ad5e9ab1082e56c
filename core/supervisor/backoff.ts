/** How long a seat stays empty after its process died: doubles with every quick death, forgets after a long life. */

/** First wait after a death. */
export const backoffFirstMs = 100;
/** The wait never grows beyond this. */
export const backoffMostMs = 10_000;
/** A process that lived this long starts the count anew. */
export const backoffForgetMs = 10_000;

/** The wait before the next start after `failures` quick deaths in a row (1 = the first): 100 ms, 200 ms … 10 s. */
export function backoffMs(failures: number): number {
  if (failures <= 0) return 0;
  return Math.min(backoffMostMs, backoffFirstMs * 2 ** Math.min(30, failures - 1));
}

/** The number of quick deaths in a row after one more death of a process that lived `uptimeMs`. */
export function failuresAfter(failures: number, uptimeMs: number): number {
  return uptimeMs >= backoffForgetMs ? 1 : failures + 1;
}
