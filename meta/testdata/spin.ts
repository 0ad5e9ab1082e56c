/** A worker that hangs: says where its inspector is, writes its slot, and never comes back. */

import { openStatsFile } from "../../core/stats/mod.ts";
import { writeFigures } from "./write_figures.ts";

const [path, slot, id] = Deno.args;

function spinForEver(): never {
  for (;;);
}

writeFigures(openStatsFile(path!), Number(slot), Number(id));
console.log("spinning");
setTimeout(function onTimer() {
  spinForEver();
}, 0);
