/**
 * Notices that a certificate, a key or a CA of a listener or an upstream has changed on disk. Looks at the files' times once in a while,
 * because events miss renames, links that are turned and network mounts; and tells only once they look the same twice,
 * because certificate and key are written one after the other. Reads none of them.
 */
import type { Plan } from "../manifest/plan.ts";

/** Watches the files of one plan at a time. */
export class CertificateWatch {
  #paths: string[] = [];
  #known = "";
  #seen = "";

  /** From now on the files of `plan`, as they are now. */
  watch(plan: Plan): void {
    const listeners = Object.values(plan.listeners).flatMap((listener) =>
      "tls" in listener && listener.tls && "clientCa" in listener.tls
        ? [listener.tls.cert, listener.tls.key, listener.tls.clientCa]
        : []
    );
    const upstreams = Object.values(plan.upstreams).flatMap(({ tls }) =>
      tls ? [tls.cert, tls.key, tls.ca] : []
    );
    this.#paths = [...listeners, ...upstreams].filter((path) => path !== null);
    this.#known = this.#seen = this.#look();
  }

  /** True once for every change that has come to rest. */
  changed(): boolean {
    if (this.#paths.length === 0) return false;
    const now = this.#look();
    const calm = now === this.#seen;
    this.#seen = now;
    if (!calm || now === this.#known) return false;
    this.#known = now;
    return true;
  }

  #look(): string {
    return this.#paths.map((path) => {
      try {
        const { mtime, size, ino } = Deno.statSync(path);
        return `${mtime?.getTime()} ${size} ${ino}`;
      } catch {
        return "missing";
      }
    }).join("\n");
  }
}
