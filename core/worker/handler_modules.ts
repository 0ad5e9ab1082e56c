/**
 * Loads handler modules: each once per worker, its `start(ctx)` before the worker is ready, its `stop(ctx)` after the
 * last request. Refuses a module without the export that the manifest names, with the exports it has.
 */
import type { Context } from "../context.ts";
import type { Scope } from "../scope.ts";

/** Where code is: a file URL and the name of an export. */
export interface HandlerRef {
  module: string;
  export: string;
}

type Hook = (context: Context) => unknown;

/** The handler modules of one worker. */
export class HandlerModules {
  readonly #loaded = new Map<string, Promise<Record<string, unknown>>>();
  readonly #context: Context;
  readonly #scope: Scope;

  constructor(context: Context, scope: Scope) {
    this.#context = context;
    this.#scope = scope;
  }

  /** The value that `handler` names; throws TypeError where there is none. */
  async load(handler: HandlerRef): Promise<unknown> {
    let module = this.#loaded.get(handler.module);
    if (!module) this.#loaded.set(handler.module, module = this.#load(handler.module));
    const exports = await module;
    const value = exports[handler.export];
    if (value === undefined) {
      const names = Object.keys(exports).join(", ") || "nothing";
      throw new TypeError(`${handler.module} has no export "${handler.export}"; it exports ${names}`);
    }
    return value;
  }

  async #load(url: string): Promise<Record<string, unknown>> {
    const module = await import(url) as Record<string, unknown>;
    const { start, stop } = module;
    if (typeof stop === "function") this.#scope.defer(async () => void await (stop as Hook)(this.#context));
    if (typeof start === "function") await (start as Hook)(this.#context);
    return module;
  }
}
