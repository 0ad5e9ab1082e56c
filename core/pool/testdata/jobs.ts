/** Functions that the pool's tests run on threads. */
import { threadId } from "node:worker_threads";
import { currentContext } from "../current_context.ts";

export function add(a: number, b: number): number {
  return a + b;
}

export function thread(): number {
  return threadId;
}

/** Computes for `ms`. */
export function burn(ms: number): number {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return threadId;
}

/** Spins for long. Not for ever: without an inspector nothing can end it. */
export function spin(): void {
  currentContext()?.mark("about to spin");
  burn(3000);
}

/** Spins for ever. */
export function spinForEver(): never {
  for (;;);
}

/** Spins for ever in microtasks. */
export async function spinInMicrotasks(): Promise<never> {
  for (;;) await null;
}

export function eatHeap(): never {
  const all: number[][] = [];
  for (;;) all.push(new Array(1000).fill(Math.random()));
}

export async function eatHeapLater(): Promise<never> {
  await Deno.readTextFile(new URL(import.meta.url));
  return eatHeap();
}

export async function nap(ms: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return threadId;
}

export class OddError extends TypeError {
  override name = "OddError";
  code = "E_ODD";
}

export function fail(): never {
  throw new OddError("this is odd", { cause: new RangeError("inner") });
}

export function failPlainly(): never {
  throw "just a text";
}

export function exit(): never {
  Deno.exit(3);
}

export function spinAfter(started: Int32Array): never {
  Atomics.store(started, 0, 1);
  Atomics.notify(started, 0);
  for (;;);
}

/** Never settles. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}

/** Settles with the reason of its signal. */
export function untilAborted(): Promise<string> {
  const { signal } = currentContext()!;
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(String(signal.reason))));
}

/** Resolves with why its signal aborted, through shared memory, because its caller is gone by then. */
export function flagWhenAborted(flag: Int32Array): Promise<void> {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  const { signal } = currentContext()!;
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => {
      Atomics.store(flag, 0, 2);
      Atomics.notify(flag, 0);
      resolve();
    })
  );
}

/** Sets the flag: shows that it was run at all. */
export function flag(flag: Int32Array): void {
  Atomics.add(flag, 0, 1);
}

/** Blocks its thread until the flag is set. */
export function waitFor(flag: Int32Array, started?: Int32Array): number {
  if (started !== undefined) {
    Atomics.add(started, 0, 1);
    Atomics.notify(started, 0);
  }
  while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0, 1000);
  return threadId;
}

export async function inPlace(pool: string): Promise<[number, number]> {
  const other = await currentContext()!.pool(pool).run<number>(import.meta.url, "thread", []);
  return [threadId, other];
}

/** Calls the pools of `path` one inside the other; the innermost returns how deep it is. */
export async function nest(path: string[], depth = 0): Promise<number> {
  if (path.length === 0) return depth;
  return await currentContext()!.pool(path[0]!).run<number>(import.meta.url, "nest", [
    path.slice(1),
    depth + 1,
  ]);
}

export function talk(): void {
  const { log, stats } = currentContext()!;
  log.child("sub").warn("careful", { error: new RangeError("far"), n: 1, f: () => 1 });
  stats.counter("things", 2, { kind: "a" });
  stats.timing("took", 5);
  console.error("from %s", "console");
}

export function chatter(lines: number): void {
  const { log } = currentContext()!;
  for (let i = 0; i < lines; i++) log.info("line");
}

export function length(bytes: Uint8Array): number {
  return bytes.length;
}

export function unclonable(): () => void {
  return () => {};
}
