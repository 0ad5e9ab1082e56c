/** Runs a supervisor with the fake child until it is killed; tells the children's pids once they are ready. */
import { Booted, planOf } from "./boot.ts";

const booted = new Booted({ plan: planOf({ count: 2 }), runtimeFolder: Deno.args[0]! });
await booted.supervisor.ready;
const pids = booted.status.children.map(({ pid }) => pid);
console.log(JSON.stringify({ pids, address: booted.supervisor.addresses.api![0] }));
