/**
 * One JSON value a line over a private byte stream: how supervisor, children and the command line talk. Requests carry
 * an id and get exactly one reply. Bounded: a line longer than the limit, or more unanswered requests than allowed,
 * ends the channel. It knows nothing of what the messages mean.
 *
 * Wire: `{"type": …}` LF; a request adds `"request": n`; its reply is `{"type":"reply","reply":n,"value":…}` or
 * `{"type":"reply","reply":n,"error":"text"}`.
 */

/** Anything sent over a channel. */
export interface ChannelMessage {
  type: string;
  [key: string]: unknown;
}

/** Options of {@link Channel}. */
export interface ChannelOptions {
  /** Longest line in bytes, both ways. */
  maxBytes?: number;
  /** Most requests waiting for a reply. */
  maxPending?: number;
  /** Called for every message that is no reply; what it returns (or rejects with) answers a request. */
  onMessage: (message: ChannelMessage, channel: Channel) => unknown;
  /** Called once when the other side is gone, with the cause where there is one. */
  onClose?: (cause?: unknown) => void;
}

const encoder = new TextEncoder();

/** A two-way message channel over `conn`; starts reading at once. */
export class Channel {
  readonly #conn: Deno.Conn;
  readonly #options: ChannelOptions;
  readonly #maxBytes: number;
  readonly #pending = new Map<
    number,
    {
      resolve: (value: unknown) => void;
      reject: (error: Error) => void;
      timer: ReturnType<typeof setTimeout>;
    }
  >();
  #nextId = 1;
  #writes: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(conn: Deno.Conn, options: ChannelOptions) {
    this.#conn = conn;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? 32 * 1024 * 1024;
    this.#read();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends `message` without waiting; resolves when it was handed to the kernel, never rejects. */
  send(message: ChannelMessage): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const bytes = encoder.encode(JSON.stringify(message) + "\n");
    if (bytes.length > this.#maxBytes) {
      this.close(
        new RangeError(`Cannot send ${message.type}: ${bytes.length} bytes are more than ${this.#maxBytes}`),
      );
      return Promise.resolve();
    }
    const done = this.#writes.then(() => this.#writeAll(bytes)).catch((error) => this.close(error));
    this.#writes = done;
    return done;
  }

  /** Sends `message` and resolves with the other side's answer; rejects after `timeoutMs` or when the channel ends. */
  request<T = unknown>(message: ChannelMessage, timeoutMs: number): Promise<T> {
    if (this.#closed) return Promise.reject(new Error(`Cannot send ${message.type}: the channel is closed`));
    if (this.#pending.size >= (this.#options.maxPending ?? 1024)) {
      return Promise.reject(new Error(`Cannot send ${message.type}: too many requests wait for an answer`));
    }
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`No answer to ${message.type} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.send({ ...message, request: id });
    });
  }

  /** Ends the channel; waiting requests are rejected. */
  close(cause?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#conn.close();
    } catch {
      // The other side was faster: closed is what we want.
    }
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new Error("The channel was closed", { cause }));
    }
    this.#pending.clear();
    this.#options.onClose?.(cause);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) written += await this.#conn.write(bytes.subarray(written));
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(64 * 1024);
    let parts: string[] = [];
    let size = 0;
    try {
      for (;;) {
        const count = await this.#conn.read(chunk);
        if (count === null) break;
        let text = decoder.decode(chunk.subarray(0, count), { stream: true });
        for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
          parts.push(text.slice(0, end));
          text = text.slice(end + 1);
          this.#receive(parts.join(""));
          parts = [];
          size = 0;
        }
        size += text.length;
        if (size > this.#maxBytes) throw new RangeError(`A line is longer than ${this.#maxBytes} bytes`);
        if (text !== "") parts.push(text);
      }
      this.close();
    } catch (error) {
      this.close(error);
    }
  }

  #receive(line: string): void {
    const message = JSON.parse(line) as ChannelMessage;
    if (message.type === "reply") return this.#settle(message);
    let answer: unknown;
    try {
      answer = this.#options.onMessage(message, this);
    } catch (error) {
      answer = Promise.reject(error);
    }
    if (message.request === undefined) {
      if (answer instanceof Promise) answer.catch((error) => this.close(error));
      return;
    }
    Promise.resolve(answer).then(
      (value) => this.send({ type: "reply", reply: message.request, value }),
      (error) =>
        this.send({
          type: "reply",
          reply: message.request,
          error: error instanceof Error ? error.message : String(error),
        }),
    );
  }

  #settle(message: ChannelMessage): void {
    const waiting = this.#pending.get(message.reply as number);
    if (!waiting) return;
    this.#pending.delete(message.reply as number);
    clearTimeout(waiting.timer);
    if (typeof message.error === "string") waiting.reject(new Error(message.error));
    else waiting.resolve(message.value);
  }
}
