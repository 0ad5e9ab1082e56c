/**
 * This project's side as a client of the matrix: a handler that asks every case of an upstream,
 * `/?upstream=name&version=2&skip=1,2` with the version of tracking that is to come about, and answers with what was wrong.
 */
import { isDeepStrictEqual } from "node:util";
import type { Context, Upstream } from "../../../core/context.ts";
import { ApplicationException } from "../application_exception.ts";
import { ThriftException } from "../thrift_exception.ts";
import { type Case, cases } from "./cases.ts";
import { formOf, native } from "./weir_values.ts";

export default async function askAll(request: Request, context: Context): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const name = searchParams.get("upstream")!;
  const upstream = context.upstream(name);
  const troubles: Array<string | null> = [];
  const skip = searchParams.get("skip")!.split(",");
  for (const [index, one] of cases.entries()) {
    if (skip.includes(`${index}`)) {
      troubles.push(null);
      continue;
    }
    try {
      troubles.push(await ask(one, upstream, name, Number(searchParams.get("version"))));
    } catch (error) {
      troubles.push(`${error}`);
    }
  }
  return Response.json(troubles);
}

/** What is wrong, or null. */
async function ask(one: Case, upstream: Upstream, name: string, version: number): Promise<string | null> {
  const { kind, method, sent, seen } = one;
  if (kind === "echo") {
    const value = native(one.type!, sent[0]);
    return compared(formOf(one.type!, await upstream.call(method, { value })), seen);
  }
  if (kind === "oneway") {
    const text = `${name}${sent[0]}`;
    await upstream.call(method, { text });
    return compared(await upstream.call("heard", { text }), "heard");
  }
  if (kind === "who") return await who(upstream, version);
  const names = method === "several" || method === "ordered" ? ["text", "number", "yes"] : ["how"];
  const args = Object.fromEntries(sent.map((value, index) => [names[index], value]));
  let result;
  try {
    result = await upstream.call(method, args);
  } catch (error) {
    return thrown(one, error);
  }
  return kind === "returns"
    ? compared(result, seen)
    : kind === "void"
    ? compared(result, undefined)
    : "no error";
}

function thrown({ kind, throws, seen }: Case, error: unknown): string | null {
  if (kind === "unknown") return error instanceof ApplicationException ? compared(error.type, 1) : `${error}`;
  // Some say so, others close the connection.
  if (kind === "error") return error instanceof Error && !(error instanceof TypeError) ? null : `${error}`;
  if (kind !== "throws" || !(error instanceof ThriftException)) throw error;
  if (error.name !== throws) return error.name;
  return compared(formOf(["struct", throws], error.fields), seen);
}

async function who(upstream: Upstream, version: number): Promise<string | null> {
  let shard: string | undefined;
  const onReplyMeta = (meta: Readonly<Record<string, string>>) => void (shard = meta.shard);
  const said = formOf(["map", "string", "string"], await upstream.call("who", {}, { onReplyMeta }));
  const map = new Map(said as [string, string][]);
  if (version === 0) return compared(map.has("tenant"), false);
  if (!/^1\.[0-9]+$|^[0-9]+$/.test(map.get("seq") ?? "")) return JSON.stringify(said);
  map.delete("seq");
  const wanted = { id: "rid-weir", client: "interop", tenant: "t1" };
  return compared(Object.fromEntries(map), wanted) ?? compared(shard, version === 2 ? "3" : undefined);
}

function compared(found: unknown, wanted: unknown): string | null {
  return isDeepStrictEqual(found, wanted) ? null : JSON.stringify(found) ?? `${found}`;
}
