/**
 * What handlers get of a redis upstream. Checks what can be checked before anything is sent: types of arguments, and
 * commands that cannot be used on a connection that everybody shares.
 */
import type { RedisArgument, RedisValue, Upstream } from "../../core/context.ts";
import type { Caller, CallOptions, HandleContext } from "../../core/upstream/contract.ts";
import { UpstreamHandle } from "../../core/upstream/wrong_protocol.ts";
import { type Command, commandOf } from "./commands.ts";
import type { RedisReply } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";
import { subscriberOf } from "./subscriber.ts";

/** Steps of one transaction at most: their replies are held until the last one is there. */
export const mostSteps = 1024;

const transaction = commandOf("EXEC");
const transactionOptions: CallOptions = Object.freeze({ method: "transaction", idempotent: false });
const nothing: readonly RedisArgument[] = [];

/** See the module's header. */
export class RedisHandle extends UpstreamHandle {
  readonly protocol = "redis";
  readonly name: string;
  readonly #caller: Caller<RedisRequest, RedisReply>;
  readonly #context: HandleContext;
  readonly #role: string | undefined;
  readonly #hashed: boolean;

  constructor(caller: Caller<RedisRequest, RedisReply>, context: HandleContext, role?: string) {
    super();
    this.name = caller.name;
    this.#caller = caller;
    this.#context = context;
    this.#role = role;
    this.#hashed = typeof caller.plan.balance === "object";
  }

  override role(role: string): Upstream {
    return new RedisHandle(this.#caller, this.#context, role);
  }

  override command<T extends RedisValue = RedisValue>(name: string, ...args: RedisArgument[]): Promise<T> {
    return this.#call(name, args, false) as Promise<T>;
  }

  override commandBytes<T extends RedisValue = RedisValue>(
    name: string,
    ...args: RedisArgument[]
  ): Promise<T> {
    return this.#call(name, args, true) as Promise<T>;
  }

  override transaction<T extends readonly RedisValue[] = RedisValue[]>(
    commands: ReadonlyArray<readonly [name: string, ...args: RedisArgument[]]>,
  ): Promise<T> {
    const { length } = commands;
    if (length === 0 || length > mostSteps) {
      throw new RangeError(
        `Cannot run a transaction of ${length} commands: from 1 to ${mostSteps} are possible`,
      );
    }
    const steps = commands.map(([name, ...args]) => ({ command: checked(name, args), args }));
    const request: RedisRequest = { command: transaction, args: nothing, bytes: false, steps };
    const [{ command, args }] = steps;
    const options = this.#options(command, args, transactionOptions);
    return this.#caller.call(request, this.#context, options) as unknown as Promise<T>;
  }

  override subscribe(
    channel: string,
    onMessage: (message: Uint8Array, channel: string) => void,
  ): Promise<{ unsubscribe(): void }> {
    return subscriberOf(this.#caller).subscribe(channel, onMessage);
  }

  #call(name: string, args: RedisArgument[], bytes: boolean): Promise<unknown> {
    const command = checked(name, args);
    const request: RedisRequest = { command, args, bytes, steps: undefined };
    return this.#caller.call(request, this.#context, this.#options(command, args, command.options));
  }

  /** Those of the table where nothing else was asked for. */
  #options(command: Command, args: readonly RedisArgument[], options: CallOptions): CallOptions {
    const role = this.#role;
    if (role === undefined && !this.#hashed) return options;
    const key = this.#hashed && command.keyAt >= 0 ? args[command.keyAt] : undefined;
    return { ...options, role, key: key === undefined ? undefined : keyText(key) };
  }
}

/** The command `name`, unless it or an argument cannot be sent. Throws TypeError. */
function checked(name: string, args: readonly RedisArgument[]): Command {
  const command = commandOf(name);
  const refusal = command.refusal?.(args);
  if (refusal !== undefined) throw new TypeError(`Cannot send ${command.name}: ${refusal}`);
  for (let index = 0; index < args.length; index++) {
    const arg: unknown = args[index];
    switch (typeof arg) {
      case "string":
      case "number":
      case "bigint":
        continue;
    }
    if (arg instanceof Uint8Array) continue;
    throw new TypeError(
      `Cannot send ${command.name}: argument ${index + 1} is ${arg === null ? "null" : typeof arg}, ` +
        "not a string, number, bigint or Uint8Array",
    );
  }
  return command;
}

const decoder = new TextDecoder();

function keyText(key: RedisArgument): string {
  const text = typeof key === "object" ? decoder.decode(key) : String(key);
  // Keys with the same hash tag belong together, as in a cluster.
  const from = text.indexOf("{");
  const to = text.indexOf("}", from + 1);
  return from >= 0 && to > from + 1 ? text.slice(from + 1, to) : text;
}
