/**
 * Endpoints from a file that is watched: rewritten in place, replaced by another (editors, `mv`) or reached over links
 * that change (mounted volumes). The folder is watched, and the file looked at every second in case that fails: some
 * file systems tell nobody.
 */
import { basename, dirname } from "node:path";
import type { Scope } from "../../core/scope.ts";
import { background, type Discovery, type DiscoveryHost } from "./discovery.ts";
import { parseEndpointList } from "./endpoint_list.ts";

const lookMs = 1000;
/** Who writes a file does it in several steps: look when they are through. */
const settleMs = 20;
const mostBytes = 16 * 1024 * 1024;

/** `discover: { file: … }`. */
export const fileDiscovery = {
  kind: "discovery",
  name: "file",
  make(host, scope) {
    const watch = new FileWatch(host, scope);
    scope.defer(host.clock.every(lookMs, () => watch.look()));
    watch.look();
  },
} as const satisfies Discovery;

class FileWatch {
  readonly #host: DiscoveryHost;
  readonly #scope: Scope;
  readonly #path: string;
  /** What the file was when it was read: other numbers, another file. */
  #seen = "";
  #reading = false;
  #again = false;
  #folder: Deno.FsWatcher | undefined;
  /** Ends the wait for the writer; undefined while nobody writes. */
  #settle: (() => void) | undefined;

  constructor(host: DiscoveryHost, scope: Scope) {
    this.#host = host;
    this.#scope = scope;
    this.#path = host.plan.file!;
    scope.defer(() => {
      this.#folder?.close();
      this.#settle?.();
    });
  }

  /** Reads the file where it is not what it was. One at a time. */
  look(): void {
    if (this.#scope.closed) return;
    this.#watchFolder();
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    background(
      this.#host,
      this.#scope,
      this.#read().finally(() => {
        this.#reading = false;
        if (!this.#again) return;
        this.#again = false;
        this.look();
      }),
    );
  }

  async #read(): Promise<void> {
    let seen = "";
    try {
      const { ino, dev, size, mtime, isFile } = await Deno.stat(this.#path);
      seen = `${dev} ${ino} ${size} ${mtime?.getTime()}`;
      if (seen === this.#seen) return;
      if (!isFile) throw new Error(`${this.#path} is no file`);
      if (size > mostBytes) throw new Error(`${this.#path} is larger than ${mostBytes} bytes`);
      const specs = await parseEndpointList(await Deno.readTextFile(this.#path), this.#path);
      this.#host.publish(specs, specs.length === 0 ? `${this.#path} has no endpoints` : "");
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new Error(`${this.#path} does not exist`, { cause: error });
      }
      throw error;
    } finally {
      this.#seen = seen;
    }
  }

  #watchFolder(): void {
    if (this.#folder !== undefined) return;
    try {
      const folder = Deno.watchFs(dirname(this.#path), { recursive: false });
      this.#folder = folder;
      background(this.#host, this.#scope, this.#follow(folder));
    } catch {
      // The folder is not there, or the system watches no more of them: looking every second it is.
    }
  }

  async #follow(folder: Deno.FsWatcher): Promise<void> {
    const name = basename(this.#path);
    for await (const { kind, paths } of folder) {
      if (kind === "access" || this.#scope.closed) continue;
      // Two versions of one length can carry the same time; of other files only the effect on this one counts.
      if (paths.some((path) => basename(path) === name)) this.#seen = "";
      this.#settle ??= this.#host.clock.after(settleMs, () => {
        this.#settle = undefined;
        this.look();
      });
    }
    // Ended by itself: the folder is gone; the next look tries again.
    if (this.#folder === folder) this.#folder = undefined;
  }
}
