/**
 * What the values of one manifest are resolved against: its folder, the platform, the files around it.
 *
 * The schema's transforms (terms.ts) need it and the schema library hands a transform nothing but the
 * value. A parse is synchronous from start to end, so the resolution of the running compile is held here
 * for exactly that long; nothing else of the project may read it.
 */

/** What is at a path: `null` when nothing is. */
export type FileKind = "file" | "directory" | "other" | null;

export interface Resolution {
  /** Absolute folder that relative paths start from. */
  directory: string;
  /** As in `Deno.build.os`. */
  platform: string;
  /** Cores this process may use. */
  cores: number;
  /** The text of a file. @throws when it cannot be read */
  readFile(path: string): string;
  stat(path: string): FileKind;
}

let current: Resolution | null = null;

/** Runs `work` with `resolution` in force; synchronous, nests. */
export function withResolution<T>(resolution: Resolution, work: () => T): T {
  const outer = current;
  current = resolution;
  try {
    return work();
  } finally {
    current = outer;
  }
}

/** The resolution in force. @throws {TypeError} outside of `withResolution` */
export function resolution(): Resolution {
  if (!current) throw new TypeError("Cannot resolve a manifest value: no compile is running");
  return current;
}
