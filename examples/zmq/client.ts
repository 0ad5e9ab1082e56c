/** `POST /count/<name>`, `POST /lock/<name>?owner=…`, `GET /alive`: HTTP for what the other service does over ZeroMQ. */
import type { Context, ZmqMessage } from "../../mod.ts";

/** Longer without a heartbeat, and the other one is taken for dead. */
const patienceMs = 1000;

let last: { at: number; counts: Record<string, number> } | undefined;
let heardAt = -Infinity;

/** A heartbeat of the other service. */
export function beat({ value }: ZmqMessage): void {
  last = value as typeof last;
  heardAt = performance.now();
}

export default async function client(request: Request, ctx: Context): Promise<Response> {
  const url = new URL(request.url);
  const [, what, name = ""] = url.pathname.split("/");
  switch (`${request.method} ${what}`) {
    case "POST count":
      await ctx.upstream("stats").send({ name, add: 1 });
      return new Response(null, { status: 204 });
    case "POST lock": {
      const question = { lock: name, owner: url.searchParams.get("owner") ?? "somebody" };
      return Response.json(await ctx.upstream("locks").request(question, { idempotent: true }));
    }
    case "GET alive": {
      const alive = performance.now() - heardAt < patienceMs;
      return Response.json({ alive, counts: last?.counts ?? {} }, { status: alive ? 200 : 503 });
    }
    default:
      return new Response("not found\n", { status: 404 });
  }
}
