/** A handler module with start and stop, and the adapter of the pool's tests. */
import type { Context } from "../../context.ts";
import { threadId } from "node:worker_threads";

let starts = 0;

export function start(ctx: Context): void {
  starts++;
  ctx.log.info("started", { config: ctx.config });
}

export function stop(ctx: Context): void {
  ctx.log.info("stopped");
}

type Handler = (payload: Uint8Array, ctx: Context) => unknown;

export function make(handler: unknown): Handler {
  return handler as Handler;
}

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

export function echo(payload: Uint8Array): Uint8Array {
  return payload;
}

export async function echoLater(payload: Uint8Array): Promise<Uint8Array> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return payload;
}

export function sized(payload: Uint8Array): Uint8Array {
  return new Uint8Array(new DataView(payload.buffer, payload.byteOffset).getUint32(0)).fill(payload[4]!);
}

export function who(_payload: Uint8Array, ctx: Context): Uint8Array {
  ctx.mark("looking");
  return text({ request: ctx.request, deadline: ctx.deadline, config: ctx.config, starts, threadId });
}

export function burn(payload: Uint8Array): Uint8Array {
  const end = performance.now() + payload[0]!;
  while (performance.now() < end);
  return text(threadId);
}

export function broken(): Uint8Array {
  throw new RangeError("no");
}

export function notBytes(): string {
  return "text";
}

/** Answers messages: its head turned round, its body as it came. */
export function turn({ head, body }: { head: string; body: string | Uint8Array | undefined }): unknown {
  return { head: [...head].reverse().join(""), body };
}

export async function turnLater(message: { head: string; body: undefined }): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return turn(message);
}

export function upstream(_payload: Uint8Array, ctx: Context): unknown {
  return ctx.upstream("users");
}
