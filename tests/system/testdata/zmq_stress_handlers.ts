/** Handlers of the zmq stress run: they check the numbers of what comes in and count the answers to what they ask. */
import type { Context } from "../../../core/context.ts";
import type { ZmqMessage } from "../../../protocols/zmq/message.ts";

type Message = ZmqMessage<Uint8Array<ArrayBuffer>>;

/** Number of no life: such a message is answered through the upstream `push`. */
const ping = 0xffff_ffff;

/** What came of every life of the senders to one listener. */
class Lives {
  received = 0;
  /** By life: the number that has to come next. */
  readonly next: number[] = [];
  /** Those that came when an earlier one was missing, and those that came twice or late. */
  gaps = 0;
  again = 0;
  first = "";

  take(bytes: Uint8Array): void {
    const life = wordAt(bytes, 0);
    const n = wordAt(bytes, 4);
    const next = this.next[life] ?? 0;
    this.received++;
    if (n !== next) {
      if (n > next) this.gaps++;
      else this.again++;
      this.first ||= `life ${life}: ${n} came where ${next} was to come`;
    }
    if (n >= next) this.next[life] = n + 1;
  }
}

const lives = { pull: new Lives(), slow: new Lives() };

export function pull({ value }: Message, ctx: Context): Promise<void> | void {
  if (wordAt(value, 0) !== ping) return lives.pull.take(value);
  return ctx.upstream("push").send(value.slice());
}

export async function slow({ value }: Message, ctx: Context): Promise<void> {
  if (wordAt(value, 0) === ping) return await ctx.upstream("push").send(value.slice());
  lives.slow.take(value);
  await new Promise((resolve) => setTimeout(resolve, 1));
}

export function echo({ value }: Message): Uint8Array {
  return value.slice();
}

/** `/lives`, and `/ask/<upstream>?from=&count=&atOnce=`. */
export async function web(request: Request, ctx: Context): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/lives") {
    return Response.json(lives);
  }
  const number = (name: string) => Number(searchParams.get(name));
  const end = number("from") + number("count");
  let next = number("from");
  const answers = { right: 0, wrong: 0, failures: {} as Record<string, number> };
  const upstream = ctx.upstream(pathname.replace("/ask/", ""));
  const askInTurn = async () => {
    while (next < end) {
      const n = next++;
      const question = new Uint8Array(12);
      const view = new DataView(question.buffer);
      view.setFloat64(0, n);
      view.setUint32(8, n >>> 0);
      try {
        const reply = await upstream.request(question, { idempotent: true });
        if (reply instanceof Uint8Array && same(reply.toReversed(), question)) answers.right++;
        else answers.wrong++;
      } catch (error) {
        const text = `${(error as { failure?: string }).failure}: ${(error as Error).message}`;
        answers.failures[text] = (answers.failures[text] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: number("atOnce") }, askInTurn));
  return Response.json(answers);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
