/** Dials `{ spec, tls, timeoutMs }` of its argument and says `ok <address>` or the failure with its text. */
import { dial } from "../dial.ts";

const { spec, tls, timeoutMs } = JSON.parse(Deno.args[0]!);
const started = performance.now();
try {
  const { stream } = await dial("users", spec, tls ?? undefined, [], timeoutMs);
  const { remoteAddr } = stream as Deno.TcpConn;
  console.log("ok", remoteAddr && "hostname" in remoteAddr ? remoteAddr.hostname : "");
} catch (error) {
  console.log((error as { failure: string }).failure, Math.round(performance.now() - started), String(error));
}
// A look-up that is still under way is no reason to stay.
Deno.exit(0);
