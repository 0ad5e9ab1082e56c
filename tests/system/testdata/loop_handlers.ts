/** Loops of services under test. What they do is written to files in the service's own folder. */
import type { Context } from "../../../core/context.ts";

const folder = Deno.env.get("XDG_RUNTIME_DIR")!;

function note(file: string, text: string): void {
  Deno.writeTextFileSync(`${folder}/${file}`, `${Deno.pid} ${text} ${Date.now()}\n`, { append: true });
}

function exists(file: string): boolean {
  try {
    Deno.statSync(`${folder}/${file}`);
    return true;
  } catch {
    return false;
  }
}

/** Takes 30 ms; never answers again in the process that finds the file `spin` with its pid. */
export async function beat(): Promise<void> {
  note("beats", "begin");
  const spins = exists("spin") && Deno.readTextFileSync(`${folder}/spin`) === String(Deno.pid);
  while (spins);
  await new Promise((resolve) => setTimeout(resolve, 30));
  note("beats", "end");
}

/** Until it is told to end. */
export async function forEver(ctx: Context): Promise<void> {
  note("forEver", "begin");
  await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve(), { once: true }));
  note("forEver", "end");
}

export function failing(): never {
  throw new RangeError("meant to fail");
}

/** Does not end, whatever it is told. */
export function stuck(ctx: Context): Promise<void> {
  ctx.mark("asking nobody");
  return new Promise(() => {});
}

/** Fails once the file `fail` is there. */
export function failsLater(): Promise<void> {
  return exists("fail") ? Promise.reject(new RangeError("cannot go on")) : Promise.resolve();
}
