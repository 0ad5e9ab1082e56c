/** Handlers of the tests; what they were given is kept in `seen`. */
import type { ZmqMessage } from "../message.ts";
import { multipart } from "../message.ts";
import type { Context } from "../../../core/context.ts";

/** One message as a handler has seen it. */
export interface Seen {
  value: unknown;
  topic: string;
  parts: readonly unknown[];
  identity: Uint8Array;
}

export const seen: Seen[] = [];

export function keep({ value, topic, parts, identity }: ZmqMessage): void {
  seen.push({ value, topic, parts, identity });
}

/** Whoever waits in {@link gated} goes on with {@link openGate}. */
let gate: Array<() => void> = [];
export let waiting = 0;

export async function gated(message: ZmqMessage): Promise<void> {
  waiting++;
  await new Promise<void>((resolve) => gate.push(resolve));
  waiting--;
  keep(message);
}

export function openGate(count = Infinity): void {
  const open = gate.splice(0, count);
  gate = gate.filter(() => true);
  for (const resolve of open) resolve();
}

export default function echo(message: ZmqMessage): unknown {
  keep(message);
  return message.parts.length > 1 ? multipart(...message.parts) : message.value;
}

export async function later(message: ZmqMessage): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, (message.value as { ms: number }).ms));
  return message.value;
}

export function broken(): never {
  throw new Error("broken");
}

/** Sees what `call` wants of the upstreams; the test calls it through the listener `web`. */
export async function caller(request: Request, context: Context): Promise<Response> {
  const { upstream, method, args } = await request.json();
  try {
    // deno-lint-ignore no-explicit-any
    const value = await (context.upstream(upstream) as any)[method](...args);
    return Response.json({ value: value ?? null });
  } catch (error) {
    const { name, message, failure } = error as Error & { failure?: string };
    return Response.json({ name, message, failure: failure ?? "" });
  }
}

export function pid(): number {
  return Deno.pid;
}
