/**
 * Run with --v8-flags=--expose-gc: drops a streamed reply unread on a connection to the address that is given, and says
 * "ended" when the session has let go of it.
 */
import type { HttpReply } from "../message.ts";
import { HttpSession } from "../session.ts";
import { hostFor, TestAttempt } from "./session_host.ts";

const address = Deno.args[0]!;
const [hostname, port] = address.split(":") as [string, string];
const session = new HttpSession(await Deno.connect({ hostname, port: Number(port) }), hostFor(address));
let releases = 0;
session.start({
  request: new TestAttempt().request,
  timeoutAt: Infinity,
  sent: false,
  succeed: ({ body }: HttpReply) => console.log(body instanceof ReadableStream ? "streams" : "has no stream"),
  fail: (error) => console.log(String(error)),
  release: () => void releases++,
});
for (let n = 0; n < 500 && releases === 0; n++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
  (globalThis as unknown as { gc(): void }).gc();
}
console.log(releases === 1 && !session.open ? "ended" : "held");
session.close(true);
