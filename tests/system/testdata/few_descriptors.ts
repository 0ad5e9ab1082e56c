/** Serves the manifest of its argument in this very process, says `ready`, and ends with its stdin. */
import { run } from "../../../mod.ts";

await using service = await run(JSON.parse(Deno.args[0]!), { inProcess: true });
await service.ready;
console.log("ready");
for await (const _ of Deno.stdin.readable);
