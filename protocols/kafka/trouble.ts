/** Says once that something is wrong, and once that it is over. */
import type { Log } from "../../core/context.ts";

/** See the module's header. */
export class Trouble {
  readonly #log: Log;
  readonly #fields: Record<string, unknown>;
  #said = "";

  constructor(log: Log, fields: Record<string, unknown>) {
    this.#log = log;
    this.#fields = fields;
  }

  report(error: Error): void {
    const fields = { ...this.#fields, cause: error.message };
    if (this.#said !== "") return this.#log.debug("kafka still cannot be used", fields);
    this.#said = error.message;
    this.#log.warn("kafka cannot be used; it is tried again for as long as it takes", fields);
  }

  over(): void {
    if (this.#said === "") return;
    this.#said = "";
    this.#log.info("kafka can be used again", this.#fields);
  }
}
