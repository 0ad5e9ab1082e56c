/**
 * The folder of one lane and the lock that says who writes it. A lane is made once per process and stream; where somebody
 * takes it away it is made again under the same name.
 */
import { dirname, join } from "node:path";
import { laneName } from "./spool_names.ts";

/** Who writes a lane. */
export interface LaneOwner {
  readonly role: string;
  readonly id: number;
  readonly pid: number;
  /** Epoch ms. */
  readonly startedAt: number;
}

/** So many names are tried where somebody holds the lock of a lane that ought to be new. */
const tries = 50;

/** The folder of a lane, with its lock. */
export class LaneFolder {
  readonly name: string;
  readonly folder: string;
  #writer: Deno.FsFile;

  private constructor(folder: string, name: string, writer: Deno.FsFile) {
    this.folder = folder;
    this.name = name;
    this.#writer = writer;
  }

  /** Makes a lane below `streamFolder`. Throws where that cannot be done. */
  static open(streamFolder: string, owner: LaneOwner): LaneFolder {
    for (let n = 0; n < tries; n++) {
      const name = laneName(owner.role, owner.id, owner.pid, owner.startedAt + n);
      const folder = join(streamFolder, name);
      const writer = lock(folder);
      if (writer) return new LaneFolder(folder, name, writer);
    }
    throw new Error(`Cannot write a lane in ${streamFolder}: the lock of each is held`);
  }

  /** Whether folder and lock are still in their places. */
  async isThere(): Promise<boolean> {
    return await samePlace(this.#writer, join(this.folder, "writer"));
  }

  /** Makes folder and lock again where they are not in their places. Rejects where that cannot be done. */
  async restore(): Promise<void> {
    if (await this.isThere()) return;
    const writer = lock(this.folder);
    if (!writer) throw new Error(`Cannot write the lane ${this.folder} again: somebody holds its lock`);
    close(this.#writer);
    this.#writer = writer;
  }

  /** Makes what was made, renamed or removed in the folder safe from a power failure. */
  sync(): Promise<void> {
    return syncFolder(this.folder);
  }

  /** The same of the folders above it, up to the one of the spool. */
  async syncAbove(): Promise<void> {
    const stream = dirname(this.folder);
    for (const folder of [stream, dirname(stream)]) await syncFolder(folder);
  }

  /** Gives up the lock; the folder stays. */
  close(): void {
    close(this.#writer);
  }
}

/** Whether an open file is still the one that has this path. */
export async function samePlace(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [there, here] = await Promise.all([Deno.stat(path), file.stat()]);
    return there.ino === here.ino && there.dev === here.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Undefined where somebody holds the lock, or takes the folder away meanwhile. */
function lock(folder: string): Deno.FsFile | undefined {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "writer");
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { write: true, create: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    if (file.tryLockSync(true) && Deno.statSync(path).ino === file.statSync().ino) return file;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      file.close();
      throw error;
    }
  }
  file.close();
  return undefined;
}

async function syncFolder(folder: string): Promise<void> {
  using file = await Deno.open(folder);
  await file.sync();
}

function close(file: Deno.FsFile): void {
  try {
    file.close();
  } catch {
    // Closed before.
  }
}
