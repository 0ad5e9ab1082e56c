/** `?limit=` of a page. */

const most = 10_000;

/** The wanted number of rows, `usual` where none is given, null where it makes no sense. */
export function limitOf(query: URLSearchParams, usual: number): number | null {
  const text = query.get("limit");
  if (text === null || text === "") return usual;
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= most ? Number(text) : null;
}
