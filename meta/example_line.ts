/** A line for the shell that asks for a page or sends a command. */

/** The curl line; the token is taken from the environment, so that it never stands in a history or on a page. */
export function exampleLine(base: string, method: string, path: string): string {
  const token = method === "GET" ? "" : `-X ${method} -H "Authorization: Bearer $WEIR_META_TOKEN" `;
  const url = /[?&*]/.test(path) ? `'${base}${path}'` : base + path;
  return `curl ${token}${url}`;
}
