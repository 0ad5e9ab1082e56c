/** Bare Deno.serve, as many processes on one port as are started. */
import { fetch } from "./answer.ts";

const port = Number(Deno.env.get("PORT"));
Deno.serve({ hostname: "127.0.0.1", port, reusePort: true, onListen() {} }, fetch);
