/**
 * What `ctx.upstream(name)` answers to methods of other protocols: a handle extends {@link UpstreamHandle} and overrides
 * the methods its protocol speaks; the others throw a TypeError that names upstream and protocol.
 */
import type { RedisArgument, RedisValue, SurveyReply, Upstream, UpstreamCallOptions } from "../context.ts";

/** "Cannot fetch on upstream cache: it speaks redis". */
export function unsupported(
  method: string,
  { name, protocol }: Pick<Upstream, "name" | "protocol">,
): TypeError {
  return new TypeError(`Cannot ${method} on upstream ${name}: it speaks ${protocol}`);
}

/** See the module's header. */
export abstract class UpstreamHandle implements Upstream {
  abstract readonly name: string;
  abstract readonly protocol: string;
  abstract role(role: string): Upstream;

  fetch(_path: string | URL | Request, _init?: RequestInit & UpstreamCallOptions): Promise<Response> {
    throw unsupported("fetch", this);
  }

  command<T extends RedisValue = RedisValue>(_name: string, ..._args: RedisArgument[]): Promise<T> {
    throw unsupported("command", this);
  }

  commandBytes<T extends RedisValue = RedisValue>(_name: string, ..._args: RedisArgument[]): Promise<T> {
    throw unsupported("commandBytes", this);
  }

  transaction<T extends readonly RedisValue[] = RedisValue[]>(
    _commands: ReadonlyArray<readonly [name: string, ...args: RedisArgument[]]>,
  ): Promise<T> {
    throw unsupported("transaction", this);
  }

  subscribe(
    _channel: string,
    _onMessage: (message: Uint8Array, channel: string) => void,
  ): Promise<{ unsubscribe(): void }> {
    throw unsupported("subscribe", this);
  }

  // deno-lint-ignore no-explicit-any
  request(_message: unknown, _options?: UpstreamCallOptions): Promise<any> {
    throw unsupported("request", this);
  }

  send(_message: unknown, _options?: UpstreamCallOptions): Promise<void> {
    throw unsupported("send", this);
  }

  publish(_topic: string, _message: unknown): Promise<void> {
    throw unsupported("publish", this);
  }

  survey(_message: unknown, _options?: { timeoutMs?: number }): Promise<SurveyReply[]> {
    throw unsupported("survey", this);
  }

  call<T = unknown>(
    _method: string,
    _args?: Readonly<Record<string, unknown>>,
    _options?: UpstreamCallOptions,
  ): Promise<T> {
    throw unsupported("call", this);
  }
}
