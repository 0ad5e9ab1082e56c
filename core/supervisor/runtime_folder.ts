/**
 * The folder of a running service: control socket, lock, statistics. 0700 and owned by this user, one per manifest, in
 * memory where the system has such a place. Its lock is the truth about "runs already": the kernel drops it with the
 * process, so nothing stale can hold it.
 */
import { join } from "node:path";
import { removeStatsFile, statsFilePath } from "../stats/mod.ts";

/** Longest path of a unix socket that every system takes. */
const mostSocketPath = 100;

/** The service runs already. */
export class AlreadyRunning extends Error {
  readonly pid: number;

  constructor(pid: number) {
    super(`Cannot start: this manifest runs already as process ${pid}`);
    this.pid = pid;
  }
}

/** A claimed folder. */
export interface RuntimeFolder {
  readonly path: string;
  /** Gives the folder back and removes it. */
  release(): void;
}

/** Folders that runtime folders may be in, best first. */
export function runtimeBases(): string[] {
  const bases = [Deno.env.get("XDG_RUNTIME_DIR") ?? ""];
  if (Deno.build.os === "linux") bases.push("/dev/shm");
  bases.push(
    Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP") ?? "",
    Deno.build.os === "windows" ? "C:\\Temp" : "/tmp",
  );
  return [...new Set(bases)].filter((base) => {
    try {
      return base !== "" && Deno.statSync(base).isDirectory;
    } catch {
      return false;
    }
  });
}

/** Hash that tells manifests of one user apart: of the real path. */
export async function manifestHash(file: string): Promise<string> {
  const bytes = new TextEncoder().encode(Deno.realPathSync(file));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Where the folder of `service` with this `hash` belongs. */
export function runtimeFolderPath(service: string, hash: string, bases = runtimeBases()): string {
  for (const base of bases) {
    const path = join(base, `weir-${Deno.uid() ?? 0}-${service.slice(0, 32)}-${hash}`);
    if (path.length + "/control.sock".length <= mostSocketPath) return path;
  }
  throw new Error(`Cannot place the runtime folder: no usable folder among ${bases.join(", ")}`);
}

/** Folders of this user's services, running or not; only of the manifest with `hash` where given. */
export function findRuntimeFolders(hash = "", bases = runtimeBases()): string[] {
  const prefix = `weir-${Deno.uid() ?? 0}-`;
  const found: string[] = [];
  for (const base of bases) {
    for (const { name, isDirectory } of Deno.readDirSync(base)) {
      if (isDirectory && name.startsWith(prefix) && name.endsWith(hash)) found.push(join(base, name));
    }
  }
  return found;
}

/** Claims `path`. Throws AlreadyRunning while another process holds it, and an Error where it belongs to somebody else. */
export function claimRuntimeFolder(path: string): RuntimeFolder {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode, isSymlink } = Deno.lstatSync(path);
  const foreign = Deno.build.os !== "windows" && (isSymlink || uid !== Deno.uid());
  if (foreign) throw new Error(`Cannot use ${path}: it belongs to somebody else`);
  if (mode !== null && (mode & 0o077) !== 0) Deno.chmodSync(path, 0o700);
  const lock = takeLock(path);
  removeQuietly(join(path, "control.sock"));
  return {
    path,
    release() {
      removeStatsFile(statsFilePath(path));
      removeQuietly(path);
      lock.close();
    },
  };
}

/** Removes what services of this user that were killed left behind: folders and statistics files that nobody holds. */
export function cleanStaleFolders(bases = runtimeBases()): void {
  for (const path of findRuntimeFolders("", bases)) {
    unlessHeld(join(path, "lock"), () => {
      removeStatsFile(statsFilePath(path));
      removeQuietly(path);
    });
  }
  const name = new RegExp(`^weir-${Deno.uid() ?? 0}-[0-9a-f]{16}\\.stats$`);
  for (const base of bases) {
    for (const entry of Deno.readDirSync(base)) {
      const path = join(base, entry.name);
      // Just made and not locked yet: then its maker is alive.
      if (entry.isFile && name.test(entry.name)) {
        unlessHeld(path, () => removeStatsFile(path, { orphaned: true }));
      }
    }
  }
}

function unlessHeld(path: string, remove: () => void): void {
  try {
    using lock = Deno.openSync(path, { read: true, write: true });
    if (lock.tryLockSync(true)) remove();
  } catch {
    // Being made or removed by somebody just now: the next start looks again.
  }
}

/** The pid in the lock file, when a living process holds the lock; else 0. */
export function runningPid(path: string): number {
  try {
    using lock = Deno.openSync(join(path, "lock"), { read: true, write: true });
    return lock.tryLockSync(true) ? 0 : Number(Deno.readTextFileSync(join(path, "lock"))) || 0;
  } catch {
    return 0;
  }
}

function takeLock(path: string): Deno.FsFile {
  const name = join(path, "lock");
  for (let attempt = 0; attempt < 5; attempt++) {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    const lock = Deno.openSync(name, { read: true, write: true, create: true, mode: 0o600 });
    if (!lock.tryLockSync(true)) {
      lock.close();
      throw new AlreadyRunning(Number(Deno.readTextFileSync(name)) || 0);
    }
    // Who held it before may have removed the folder in between: then this lock guards nothing.
    if (sameFile(name, lock)) {
      lock.truncateSync();
      lock.writeSync(new TextEncoder().encode(String(Deno.pid)));
      return lock;
    }
    lock.close();
  }
  throw new Error(`Cannot lock ${name}: it is removed again and again`);
}

function sameFile(name: string, file: Deno.FsFile): boolean {
  try {
    return Deno.statSync(name).ino === file.statSync().ino;
  } catch {
    return false;
  }
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
