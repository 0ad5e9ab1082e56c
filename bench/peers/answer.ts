/** The handler that every server of this comparison runs: a small object, made JSON for each request. */

export function fetch(_request: Request): Response {
  return Response.json({ message: "Hello, World!", user: 42, groups: ["control", "button", "automatic"] });
}

export default { fetch };
