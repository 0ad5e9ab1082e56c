/** `/` answers 512 bytes at once; `/burn` computes for 100 µs first. */
const body = "x".repeat(512);

export default function answer(request: Request): Response {
  if (request.url.endsWith("/burn")) {
    const until = performance.now() + 0.1;
    while (performance.now() < until);
  }
  return new Response(body);
}
