/** Length of /large: more than the kernel and the runtime hold for a reader. */
const largeBytes = 25_000_000;

/** What the services under test do, by path. */
export default async function serve(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/spin":
      return spin();
    case "/fail":
      throw new Error("meant to fail");
    case "/read":
      return new Response(String((await request.text()).length));
    case "/large":
      return new Response(new Uint8Array(largeBytes));
    case "/large-stream":
      return new Response(new Blob([new Uint8Array(largeBytes)]).stream());
    case "/missing":
      return new Response("not here", { status: 404 });
    default: {
      const ms = Number(searchParams.get("ms") ?? 0);
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      return new Response(String(Deno.pid), { headers: { "x-worker": String(Deno.pid) } });
    }
  }
}

function spin(): never {
  const work = { forEver: true };
  while (work.forEver);
  throw new Error("the loop ended");
}

/** At once, with the runtime's fastest kind of answer. */
export const instant = (): Response => new Response(String(Deno.pid));

/** For frames: the same frame back, behind the number of the process. */
export const echo = (frame: Uint8Array): Uint8Array =>
  new TextEncoder().encode(`${Deno.pid} ${new TextDecoder().decode(frame)}`);
