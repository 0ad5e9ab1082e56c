/** The modules of a pool thread: handlers loaded and started once, adapters made around them, functions found by name. */
import type { Context, Log } from "../context.ts";
import type { Payload } from "./message.ts";
import { type CallHost, ThreadCall } from "./thread_call.ts";
import type { CallSource, ServiceSource } from "./thread_protocol.ts";

/** A service as its adapter made it. */
export type Handle = (payload: Payload, context: Context) => Payload | Promise<Payload>;

type Module = Record<string, unknown>;

/** Loads, starts and stops modules. */
export class ThreadModules {
  /** By the number that the pool gave them. */
  readonly services: Handle[] = [];
  readonly #host: CallHost;
  readonly #modules = new Map<string, Promise<Module>>();
  readonly #life = new AbortController();

  constructor(host: CallHost) {
    this.#host = host;
  }

  /** Makes `source` the service number `index`. Rejects with TypeError where something is missing in its modules. */
  async load(index: number, source: ServiceSource): Promise<void> {
    const module = await this.#started(source.module);
    const handler = module[source.export];
    if (handler === undefined) throw missing(source, "a handler");
    const adapter: Module = await import(source.adapter);
    if (typeof adapter.make !== "function") {
      throw new TypeError(`Cannot use adapter ${source.adapter}: it exports no function "make"`);
    }
    this.services[index] = await adapter.make(handler, this.#context());
  }

  #started(url: string): Promise<Module> {
    let module = this.#modules.get(url);
    if (module === undefined) {
      module = import(url).then(async (module: Module) => {
        if (typeof module.start === "function") await module.start(this.#context());
        return module;
      });
      this.#modules.set(url, module);
    }
    return module;
  }

  /** Calls an exported function. */
  async apply(source: CallSource): Promise<unknown> {
    const module: Module = await import(source.module);
    const run = module[source.export];
    if (typeof run !== "function") throw missing(source, "a function");
    return await run(...source.args);
  }

  /** Calls `stop` of every handler module; what it throws is logged. */
  async stop(log: Log): Promise<void> {
    this.#life.abort(new DOMException("The thread stops", "AbortError"));
    for (const loading of this.#modules.values()) {
      try {
        const module = await loading;
        if (typeof module.stop === "function") await module.stop(this.#context());
      } catch (error) {
        log.error("Cannot stop a handler module in order", { error });
      }
    }
  }

  /** The Context of start() and stop(): no request, no deadline, ends with the thread. */
  #context(): Context {
    const call = new ThreadCall(this.#host, -1, Infinity, undefined);
    Object.defineProperty(call, "signal", { value: this.#life.signal });
    return call;
  }
}

function missing(source: { module: string; export: string }, what: string): TypeError {
  return new TypeError(`Cannot use ${source.module}: it has no export "${source.export}" that is ${what}`);
}
