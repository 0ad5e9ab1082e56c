/**
 * etcd v3 over its JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/): log in, read a prefix, watch a
 * prefix. Keys and values travel in base64, numbers as text, a watch is a stream of JSON lines. No gRPC client is needed.
 */
import { Buffer } from "node:buffer";
import { readLines } from "./read_lines.ts";

/** One pair; the value is text. */
export interface EtcdPair {
  readonly key: string;
  readonly value: string;
}

/** A prefix at one revision. */
export interface EtcdRange {
  readonly revision: bigint;
  readonly count: number;
  readonly pairs: readonly EtcdPair[];
}

/** What a watch brings: the value, or undefined where the key is gone. */
export interface EtcdEvent {
  readonly key: string;
  readonly value: string | undefined;
}

/** One answer, whatever it is, is not longer. */
const mostBytes = 64 * 1024 * 1024;

interface WrittenPair {
  key: string;
  value?: string;
}

interface WatchLine {
  result?: {
    created?: boolean;
    canceled?: boolean;
    cancel_reason?: string;
    compact_revision?: string;
    events?: Array<{ type?: "PUT" | "DELETE"; kv: WrittenPair }>;
  };
  error?: { message?: string } | string;
}

/** One server, and the token that it gave. */
export class EtcdGateway {
  readonly address: string;
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;
  #token = "";

  /** `address` as `host:port`; `timeoutMs` for each question; `signal` ends everything. */
  constructor(address: string, signal: AbortSignal, timeoutMs: number) {
    this.address = address;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
  }

  /** For servers that want to know who asks. */
  async logIn(name: string, password: string): Promise<void> {
    const { token } = await this.#ask<{ token?: string }>("/v3/auth/authenticate", { name, password });
    this.#token = token ?? "";
  }

  /** All pairs below `prefix`; at most `limit`, `count` says how many there are. With limit 0 only that. */
  async range(prefix: string, limit: number): Promise<EtcdRange> {
    const bounds = { key: base64(prefix), range_end: base64(endOfPrefix(prefix)) };
    const answer = await this.#ask<{ header: { revision: string }; count?: string; kvs?: WrittenPair[] }>(
      "/v3/kv/range",
      limit === 0 ? { ...bounds, count_only: true } : { ...bounds, limit },
    );
    return {
      revision: BigInt(answer.header.revision),
      count: Number(answer.count ?? 0),
      pairs: (answer.kvs ?? []).map(({ key, value }) => ({ key: text(key), value: text(value ?? "") })),
    };
  }

  /** Changes below `prefix` from `revision` on, until the server ends the watch or `signal` aborts; then it throws. */
  async watch(
    prefix: string,
    revision: bigint,
    signal: AbortSignal,
    onEvents: (events: readonly EtcdEvent[]) => void,
  ): Promise<never> {
    const response = await this.#fetch("/v3/watch", {
      create_request: {
        key: base64(prefix),
        range_end: base64(endOfPrefix(prefix)),
        start_revision: String(revision),
      },
    }, signal);
    for await (const line of readLines(response.body!, mostBytes)) {
      const { result, error } = JSON.parse(line) as WatchLine;
      if (error !== undefined) throw new Error(typeof error === "string" ? error : error.message);
      if (result?.canceled) {
        const why = result.compact_revision
          ? `compacted up to ${result.compact_revision}`
          : result.cancel_reason;
        throw new Error(`${this.address} ended the watch: ${why ?? "it did not say why"}`);
      }
      const events = result?.events ?? [];
      if (events.length === 0) continue;
      onEvents(events.map(({ type, kv }) => ({
        key: text(kv.key),
        value: type === "DELETE" ? undefined : text(kv.value ?? ""),
      })));
    }
    throw new Error(`${this.address} ended the connection`);
  }

  async #ask<Answer>(path: string, body: unknown): Promise<Answer> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(this.#timeoutMs)]);
    const response = await this.#fetch(path, body, signal);
    let answer = "";
    for await (const line of readLines(response.body!, mostBytes)) answer += line;
    return JSON.parse(answer) as Answer;
  }

  async #fetch(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`http://${this.address}${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: {
          "content-type": "application/json",
          ...(this.#token === "" ? {} : { authorization: this.#token }),
        },
        signal,
      });
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      const why = late ? `does not answer within ${this.#timeoutMs} ms` : "cannot be reached";
      throw new Error(`${this.address} ${why}`, { cause: error });
    }
    if (response.ok && response.body !== null) return response;
    const said = (await response.text()).slice(0, 300);
    throw new Error(`${this.address} answers ${response.status}: ${messageOf(said)}`);
  }
}

function messageOf(said: string): string {
  try {
    const { error, message } = JSON.parse(said) as { error?: string; message?: string };
    return error ?? message ?? said;
  } catch {
    return said;
  }
}

/** The first key behind all that begin with `prefix`: its last byte plus one; "\0" stands for the end of all keys. */
function endOfPrefix(prefix: string): Uint8Array {
  const bytes = new TextEncoder().encode(prefix);
  for (let last = bytes.length - 1; last >= 0; last--) {
    if (bytes[last]! === 255) continue;
    bytes[last]!++;
    return bytes.subarray(0, last + 1);
  }
  return new Uint8Array(1);
}

function base64(value: string | Uint8Array): string {
  return Buffer.from(value as string).toString("base64");
}

function text(encoded: string): string {
  return Buffer.from(encoded, "base64").toString("utf8");
}
