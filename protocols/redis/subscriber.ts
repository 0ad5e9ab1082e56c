/**
 * Publish and subscribe: one connection of its own per upstream and worker, opened with the first subscription, closed
 * with the last. It reconnects by itself, with back-off, and subscribes again; messages that are published while it is
 * away are lost, as Redis keeps none. Bounded: as many channels as {@link mostChannels}; messages are not queued here, and a
 * worker that does not keep up is disconnected by the server (`client-output-buffer-limit pubsub`).
 */
import type { Caller } from "../../core/upstream/contract.ts";
import { jitter } from "../../core/clock.ts";
import { UpstreamError } from "../../core/upstream_error.ts";
import { type Line, openLine } from "./line.ts";
import type { RedisReply } from "./reply_decoder.ts";
import type { RedisRequest } from "./request.ts";

/** Channels and patterns that an upstream is subscribed to at once, in one worker. */
export const mostChannels = 10_000;

const firstPauseMs = 100;
const longestPauseMs = 10_000;

type OnMessage = (message: Uint8Array, channel: string) => void;
type RedisCaller = Caller<RedisRequest, RedisReply>;

/** One channel or pattern, and who listens. */
interface Topic {
  readonly name: string;
  readonly pattern: boolean;
  readonly listeners: Set<OnMessage>;
  /** The server has said yes on the connection that is open now. */
  live: boolean;
  /** Who waits to hear that. */
  waiting: Array<{ resolve(): void; reject(error: unknown): void }>;
}

const subscribers = new WeakMap<RedisCaller, Subscriber>();

/** The subscriber of an upstream; made on first use. */
export function subscriberOf(caller: RedisCaller): Subscriber {
  let subscriber = subscribers.get(caller);
  if (!subscriber) subscribers.set(caller, subscriber = new Subscriber(caller));
  return subscriber;
}

/** See the module's header. */
export class Subscriber {
  readonly #caller: RedisCaller;
  readonly #topics = new Map<string, Topic>();
  #line: Line | undefined;
  #connecting = false;
  #cancelPause: (() => void) | undefined;
  #failures = 0;
  #connectedAt = 0;
  #ended = false;

  constructor(caller: RedisCaller) {
    this.#caller = caller;
    caller.onEnd?.(() => this.#end());
  }

  /**
   * Resolves when the server has confirmed it; rejects where that cannot be had: UpstreamError, RedisError (no
   * permission), RangeError (too many channels).
   */
  async subscribe(name: string, onMessage: OnMessage): Promise<{ unsubscribe(): void }> {
    if (typeof onMessage !== "function") {
      throw new TypeError(`Cannot subscribe to ${name}: no function to call`);
    }
    if (!this.#caller.dedicated) {
      throw new TypeError("Cannot subscribe: this caller has no dedicated connections");
    }
    const topic = this.#topic(name);
    // The same function may listen twice.
    const listener: OnMessage = (message, channel) => onMessage(message, channel);
    topic.listeners.add(listener);
    const unsubscribe = () => this.#leave(topic, listener);
    try {
      if (!topic.live) await this.#confirmed(topic);
    } catch (error) {
      unsubscribe();
      throw error;
    }
    return { unsubscribe };
  }

  #topic(name: string): Topic {
    const known = this.#topics.get(name);
    if (known) return known;
    if (this.#topics.size >= mostChannels) {
      throw new RangeError(`Cannot subscribe to ${name}: ${mostChannels} channels are subscribed to already`);
    }
    const topic: Topic = { name, pattern: isPattern(name), listeners: new Set(), live: false, waiting: [] };
    this.#topics.set(name, topic);
    return topic;
  }

  #confirmed(topic: Topic): Promise<void> {
    const first = topic.waiting.length === 0;
    const promise = new Promise<void>((resolve, reject) => topic.waiting.push({ resolve, reject }));
    if (this.#ended) this.#refuse(topic, this.#stopped());
    else if (!this.#line) this.#connect();
    else if (first) this.#line.subscribe(topic.name, topic.pattern);
    return promise;
  }

  #leave(topic: Topic, listener: OnMessage): void {
    if (!topic.listeners.delete(listener) || topic.listeners.size > 0) return;
    this.#topics.delete(topic.name);
    if (this.#topics.size === 0) return this.#hangUp();
    this.#line?.unsubscribe(topic.name, topic.pattern);
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#line || this.#ended) return;
    this.#connecting = true;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    try {
      const line = await openLine(this.#caller, {
        confirmed: (name, error) => this.#answered(name, error),
        message: (name, channel, message) => this.#deliver(name, channel, message),
        ended: (line, error) => this.#lost(line, error),
      });
      this.#connecting = false;
      if (this.#ended || this.#topics.size === 0) return line.close();
      this.#line = line;
      this.#connectedAt = this.#caller.clock.now();
      for (const { name, pattern } of this.#topics.values()) line.subscribe(name, pattern);
    } catch (error) {
      this.#connecting = false;
      this.#failed(error);
    }
  }

  #answered(name: string, error: unknown): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    if (error !== undefined) {
      const { log, name: upstream } = this.#caller;
      if (topic.waiting.length === 0) log.error("subscription refused", { upstream, channel: name, error });
      return this.#refuse(topic, error);
    }
    topic.live = true;
    for (const { resolve } of topic.waiting.splice(0)) resolve();
  }

  #deliver(name: string, channel: string, message: Uint8Array): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    for (const listener of topic.listeners) {
      try {
        listener(message, channel);
      } catch (error) {
        this.#caller.log.error("a subscriber failed", { upstream: this.#caller.name, channel, error });
      }
    }
  }

  #lost(line: Line, error: unknown): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#caller.log.warn("subscriptions interrupted", { upstream: this.#caller.name, error });
    for (const topic of this.#topics.values()) topic.live = false;
    // One that is ended as soon as it is there must not become a storm of connections.
    if (this.#caller.clock.now() - this.#connectedAt >= longestPauseMs) this.#failures = 0;
    if (this.#failures++ === 0) this.#connect();
    else this.#pause();
  }

  /** Who waits for a first answer is told; who was subscribed before is so again as soon as that can be. */
  #failed(error: unknown): void {
    for (const topic of this.#topics.values()) this.#refuse(topic, error);
    if (error instanceof UpstreamError && error.failure === "cancelled") return this.#end();
    this.#failures++;
    this.#pause();
  }

  #pause(): void {
    if (this.#ended || this.#topics.size === 0) return;
    const { clock } = this.#caller;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 10));
    this.#cancelPause?.();
    this.#cancelPause = clock.after(jitter(clock, pauseMs, 0.5), () => void this.#connect());
  }

  #refuse(topic: Topic, error: unknown): void {
    for (const { reject } of topic.waiting.splice(0)) reject(error);
  }

  #hangUp(): void {
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    const line = this.#line;
    this.#line = undefined;
    line?.close();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#hangUp();
    for (const topic of this.#topics.values()) this.#refuse(topic, this.#stopped());
    this.#topics.clear();
  }

  #stopped(): UpstreamError {
    const { name } = this.#caller;
    return new UpstreamError("cancelled", `Cannot subscribe on upstreams.${name}: the worker stops`, {
      upstream: name,
    });
  }
}

/** Names with one of these are patterns; such a channel itself cannot be subscribed to. */
function isPattern(name: string): boolean {
  return /[*?[]/.test(name);
}
