/** `run_forced.ts <modes as JSON> <manifest>`: a service as another platform would run it. */
import { run } from "../../../mod.ts";

const service = await run(Deno.args[1]!, { ...JSON.parse(Deno.args[0]!), signals: true, terminal: false });
const { code, message } = await service.ended;
if (message !== "") console.error(message);
Deno.exit(code);
