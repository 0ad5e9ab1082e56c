/**
 * The connection of one {@link Subscriber}: sends what it wants, tells what comes. Ends itself when the server does not
 * answer a heartbeat. Knows neither who listens nor how to come back.
 */
import type { Caller, Dedicated } from "../../core/upstream/contract.ts";
import type { RedisValue } from "../../core/context.ts";
import { CommandWriter } from "./command_writer.ts";
import { commandOf } from "./commands.ts";
import { shakeHands } from "./handshake.ts";
import { ErrorReply } from "./redis_error.ts";
import { type RedisReply, type ReplyDecoder, ReplyError, unfinished } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";

/** Who is told what comes. */
export interface LineOwner {
  /** The server has subscribed to `name`, or said why not. */
  confirmed(name: string, error: Error | undefined): void;
  /** `name` is the channel or pattern that was subscribed to. */
  message(name: string, channel: string, message: Uint8Array): void;
  /** Told once, unless it was closed. */
  ended(line: Line, error: unknown): void;
}

/** What was asked and has no answer yet; a subscription has its name. */
interface Asked {
  readonly subscribes: string | undefined;
}

const ping: Asked = { subscribes: undefined };
const decoder = new TextDecoder();

/** Connects, logs in, and tells `owner` from then on. Rejects with UpstreamError. */
export async function openLine(caller: Caller<RedisRequest, RedisReply>, owner: LineOwner): Promise<Line> {
  const { plan, clock, name: upstream } = caller;
  const dedicated = await caller.dedicated!();
  const cancel = clock.after(plan.timeouts.connect, () => dedicated.close());
  try {
    const replies = await shakeHands(dedicated.stream, { upstream, endpoint: dedicated.endpoint, plan });
    return new Line(caller, owner, dedicated, replies);
  } catch (error) {
    dedicated.close();
    throw error;
  } finally {
    cancel();
  }
}

/** See the module's header. */
export class Line {
  readonly #owner: LineOwner;
  readonly #dedicated: Dedicated;
  readonly #replies: ReplyDecoder;
  readonly #writer = new CommandWriter();
  readonly #asked: Asked[] = [];
  readonly #cancelHeartbeat: () => void;
  #scheduled = false;
  #silent = false;
  #ended = false;

  constructor(
    { plan, clock }: Caller<RedisRequest, RedisReply>,
    owner: LineOwner,
    dedicated: Dedicated,
    replies: ReplyDecoder,
  ) {
    this.#owner = owner;
    this.#dedicated = dedicated;
    this.#replies = replies;
    const { heartbeat } = plan.pool;
    this.#cancelHeartbeat = heartbeat > 0 ? clock.every(heartbeat, () => this.#beat()) : () => {};
    this.#read();
  }

  subscribe(name: string, pattern: boolean): void {
    this.#send(pattern ? "PSUBSCRIBE" : "SUBSCRIBE", [name], { subscribes: name });
  }

  unsubscribe(name: string, pattern: boolean): void {
    this.#send(pattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", [name], { subscribes: undefined });
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelHeartbeat();
    this.#dedicated.close();
  }

  #end(error: unknown): void {
    if (this.#ended) return;
    this.close();
    this.#owner.ended(this, error);
  }

  /** Nothing since the last beat, not even the answer to it: the connection is dead. */
  #beat(): void {
    if (this.#silent) return this.#end(new Error("no answer to a heartbeat"));
    this.#silent = true;
    this.#send("PING", [], ping);
  }

  #send(name: string, args: string[], asked: Asked): void {
    if (this.#ended) return;
    this.#writer.command(commandOf(name), args);
    this.#asked.push(asked);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#write());
  }

  async #write(): Promise<void> {
    const { stream } = this.#dedicated;
    try {
      for (let bytes = this.#writer.take(); bytes; bytes = this.#writer.take()) {
        for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
        this.#writer.written();
      }
    } catch (error) {
      this.#end(error);
    } finally {
      this.#scheduled = false;
    }
  }

  async #read(): Promise<void> {
    const { stream } = this.#dedicated;
    const replies = this.#replies;
    try {
      while (!this.#ended) {
        for (let reply = replies.next(true); reply !== unfinished; reply = replies.next(true)) {
          this.#take(reply);
          if (this.#ended) return;
        }
        const bytes = await stream.read(replies.room());
        if (bytes === null) throw new Error("the server closed the connection");
        replies.filled(bytes);
        this.#silent = false;
      }
    } catch (error) {
      this.#end(error);
    }
  }

  #take(reply: RedisReply): void {
    // RESP3 has pushes, RESP2 lists: the same in content.
    if (!Array.isArray(reply)) return this.#answered(reply instanceof ErrorReply ? reply.error : undefined);
    const [kind, name, third, fourth] = reply;
    switch (text(kind)) {
      case "message":
        return this.#owner.message(text(name), text(name), bytes(third));
      case "pmessage":
        return this.#owner.message(text(name), text(third), bytes(fourth));
      case "subscribe":
      case "psubscribe":
      case "unsubscribe":
      case "punsubscribe":
      case "pong":
        return this.#answered(undefined);
      default:
        // Pushes of other kinds are nobody's here.
        if (!this.#replies.push) throw new ReplyError(`an unexpected reply: ${text(kind).slice(0, 40)}`);
    }
  }

  /** The server answers in order. */
  #answered(error: Error | undefined): void {
    const asked = this.#asked.shift();
    if (!asked) throw error ?? new ReplyError("a reply that nobody asked for");
    if (asked.subscribes !== undefined) this.#owner.confirmed(asked.subscribes, error);
  }
}

function text(value: RedisValue | undefined): string {
  return decoder.decode(bytes(value));
}

function bytes(value: RedisValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new ReplyError("a message without a text");
}
