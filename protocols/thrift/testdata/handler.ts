/** What Test of everything.thrift does in tests. */
import type { Context } from "../../../core/context.ts";
import { replyMeta } from "../reply_meta.ts";
import { ThriftException } from "../thrift_exception.ts";

let heard = "";

/** How many calls of `wait` are under way. */
export const waiting = { count: 0 };

class Missing extends Error {
  override readonly name = "NotFound";
  key = "own";
}

export default {
  ping: () => "pong",
  nop() {},
  echo: ({ value }: { value: unknown }) => value,
  hello: ({ name }: { name: string }) => `hi ${name}`,
  add: ({ left, right }: { left: number | bigint; right: number | bigint }) => BigInt(left) + BigInt(right),
  async fail({ how }: { how: string }) {
    await null;
    if (how === "missing") throw new ThriftException("NotFound", { key: "k", inner: { name: "n" } });
    if (how === "own") throw new Missing("mine");
    if (how === "refused") throw new ThriftException("Refused", { why: "so" });
    if (how === "wrong") return 7;
    if (how === "nothing") return undefined;
    throw new Error(`a secret of ${how}`);
  },
  split: ({ text, by }: { text: string; by: string }) => text.split(by),
  shout({ text }: { text: string }) {
    heard = text;
  },
  heard: () => heard,
  who(_: unknown, { request }: Context) {
    return { id: request.id, rpcId: request.rpcId, client: request.client, ...request.meta };
  },
  reverse: ({ bytes }: { bytes: Uint8Array }) => bytes.toReversed(),
  async wait({ ms }: { ms: number }, context: Context) {
    replyMeta(context).waited = `${ms}`;
    waiting.count++;
    await new Promise((resolve) => setTimeout(resolve, ms));
    waiting.count--;
    return `${ms}`;
  },
};
