/** Greets whoever the query names: a handler is a function from a request to a response. */
export default function hello(request: Request): Response {
  const name = new URL(request.url).searchParams.get("name");
  return Response.json({ hello: name ?? "world" });
}
