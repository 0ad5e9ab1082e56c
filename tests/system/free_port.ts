/** Ports for services under test: below the range that the kernel gives to clients, so that nobody else gets them. */
const first = 27_000;
const last = 27_499;
// Test processes that run at the same time begin at different places.
let next = first + Deno.pid * 17 % (last - first);

/** A TCP port on 127.0.0.1 that was free just now. */
export function freePort(): number {
  for (let tried = first; tried <= last; tried++) {
    const port = next++;
    if (next > last) next = first;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch {
      // Somebody has it.
    }
  }
  throw new Error(`Cannot find a free port: all from ${first} to ${last} are taken`);
}
