/** Adds 1 `args[1]` times to each of the shared numbers named in the rest of the arguments. */
import { openStatsFile } from "../mod.ts";

const [path, times, ...names] = Deno.args;
const { shared } = openStatsFile(path!);
for (const name of names) {
  const number = shared.int32(name);
  for (let n = 0; n < Number(times); n++) {
    if (n % 2 === 0) number.add(1);
    else for (let v = number.load(); number.compareExchange(v, v + 1) !== v;) v = number.load();
  }
}
