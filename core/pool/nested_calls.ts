/** Calls from a pool thread to pools: in place when it is the thread's own, through the main thread otherwise. */
import { parentPort } from "node:worker_threads";
import type { PoolHandle } from "../context.ts";
import type { ThreadCall } from "./thread_call.ts";
import type { ThreadModules } from "./thread_modules.ts";
import type { CallSource, ToThread } from "./thread_protocol.ts";
import { decodeError } from "./wire_error.ts";

/** What a handler may say of its call. */
interface NestedOptions {
  readonly inlineIf?: (...args: unknown[]) => boolean;
  readonly transfer?: Transferable[];
}

/** The nested calls of one thread. */
export class NestedCalls {
  readonly #ownPool: string;
  readonly #directory: string;
  readonly #modules: ThreadModules;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  /** Paths of modules resolve against the URL `directory`. */
  constructor(ownPool: string, directory: string, modules: ThreadModules) {
    this.#ownPool = ownPool;
    this.#directory = directory;
    this.#modules = modules;
  }

  /** The pool `name` as `call` sees it. */
  pool(name: string, call: ThreadCall): PoolHandle {
    return {
      run: async <T>(
        module: string | URL,
        exportName: string,
        args: unknown[],
        options: NestedOptions = {},
      ) => {
        const source = { module: new URL(module, this.#directory).href, export: exportName, args };
        if (name === this.#ownPool || options.inlineIf?.(...args) === true) {
          return await this.#modules.apply(source) as T;
        }
        return await this.#run(name, source, call, options.transfer) as T;
      },
    };
  }

  #run(pool: string, source: CallSource, call: ThreadCall, transfer?: Transferable[]): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const post = { t: "nested" as const, id, call: call.id, pool, source };
      parentPort!.postMessage(post, transfer as unknown as ArrayBuffer[] | undefined);
      this.#waiting.set(id, { resolve, reject });
      // The thread is free for another call while this one waits: that is why nested pools cannot deadlock.
      call.release();
    });
  }

  /** The answer of another pool. */
  answered(message: ToThread & { t: "nested" }): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.ok) waiting?.resolve(message.value);
    else waiting?.reject(decodeError(message.error));
  }
}
