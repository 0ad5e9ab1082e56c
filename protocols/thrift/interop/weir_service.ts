/** The handler of this project's own servers in the matrix: Interop of interop.thrift. */
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../../../core/context.ts";
import { replyMeta } from "../reply_meta.ts";
import { ThriftException } from "../thrift_exception.ts";
import { cases } from "./cases.ts";
import { formOf, native } from "./weir_values.ts";

const shouted = new Set<string>();

interface Several {
  text: string;
  number: number;
  yes: boolean;
}

function several({ text, number, yes }: Several): string {
  return `${text} ${number} ${yes ? "yes" : "no"}`;
}

const methods: Record<string, (args: never, context: Context) => unknown> = {
  ping: () => "pong",
  nop() {},
  fail({ how }: { how: string }) {
    if (how === "missing") throw new ThriftException("NotFound", { key: "k" });
    if (how === "refused") throw new ThriftException("Refused", { why: "so", code: 8 });
    if (how === "undeclared") throw new Error("a secret");
    return how;
  },
  failVoid({ how }: { how: string }) {
    if (how === "missing") throw new ThriftException("NotFound", { key: "k" });
  },
  several,
  ordered: several,
  shout({ text }: { text: string }) {
    shouted.add(text);
  },
  heard: ({ text }: { text: string }) => shouted.has(text) ? "heard" : "never",
  who(_: unknown, context: Context) {
    const { id, rpcId, client, meta } = context.request;
    replyMeta(context).shard = "3";
    return { id, seq: rpcId, client, ...meta };
  },
};

for (const { kind, method, type } of cases) {
  if (kind !== "echo" || methods[method]) continue;
  const forms = cases.filter((one) => one.method === method).map(({ seen }) => seen);
  methods[method] = ({ value }: { value: unknown }) => {
    const seen = formOf(type!, value);
    const form = forms.find((form) => isDeepStrictEqual(form, seen));
    if (form === undefined) throw new ThriftException("Mismatch", { seen: JSON.stringify(seen) });
    return native(type!, form);
  };
}

export default methods;
