/**
 * The set of a source as a file: written by whoever watches it, read by every worker, and kept on disk as the last good
 * one for the next start. 0600 in folders of 0700, replaced in one step, with a checksum; files and folders of somebody
 * else, or that somebody else could write to, are not believed.
 *
 * Format: one line `{"format":1,"sha256":"…"}`, then the {@link EndpointSet} as JSON; the checksum is that of the JSON.
 */
import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import type { Plan } from "../manifest/plan.ts";
import type { EndpointSet } from "./endpoint_feed_source.ts";

/** More than 65,536 endpoints ever take. */
const mostBytes = 64 * 1024 * 1024;

/** Folder of the current sets, below the runtime folder. */
export function endpointFolder(runtimeFolder: string): string {
  return join(runtimeFolder, "endpoints");
}

/**
 * Folder of the last good sets: below `governance.cache`, else in the user's cache folder, one per manifest. Null where
 * there is no such place: a manifest that is no file, a user without a home.
 */
export function endpointCacheFolder(
  plan: Pick<Plan, "service" | "file" | "governance">,
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string | null {
  if (plan.governance) return join(plan.governance.cache, "endpoints");
  if (plan.file === null) return null;
  const home = env("HOME") ?? "";
  const base = [
    env("XDG_CACHE_HOME") ?? "",
    isAbsolute(home) ? join(home, ".cache") : "",
    env("LOCALAPPDATA") ?? "",
  ]
    .find((folder) => isAbsolute(folder));
  if (base === undefined) return null;
  const hash = createHash("sha256").update(plan.file).digest("hex").slice(0, 12);
  return join(base, "weir", `${plan.service}-${hash}`, "endpoints");
}

/** Makes `folder`, 0700. Throws where it belongs to somebody else or cannot be made. */
export function makeOwnFolder(folder: string): void {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = Deno.lstatSync(folder);
  if (Deno.build.os === "windows") return;
  if (info.isSymlink || info.uid !== Deno.uid()) {
    throw new Error(`Cannot use ${folder}: it belongs to somebody else`);
  }
  if ((info.mode! & 0o077) !== 0) {
    // Whatever could be put there by others is not believed.
    for (const entry of Deno.readDirSync(folder)) {
      if ((info.mode! & 0o022) !== 0 && entry.name.endsWith(".json")) {
        Deno.removeSync(join(folder, entry.name));
      }
    }
    Deno.chmodSync(folder, 0o700);
  }
}

/** The set of source `key` in `folder`; undefined where there is none. Throws where it is broken or not trustworthy. */
export function readEndpointFile(folder: string, key: string): EndpointSet | undefined {
  const path = pathOf(folder, key);
  let bytes: Uint8Array;
  try {
    if (!isOwn(folder, "isDirectory", 0o022) || !isOwn(path, "isFile", 0o022)) {
      throw new Error(`Cannot believe ${path}: others can write to it`);
    }
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const end = bytes.indexOf(10);
  const body = bytes.subarray(end + 1);
  const decoder = new TextDecoder();
  const head = /^\{"format":1,"sha256":"([0-9a-f]{64})"\}$/.exec(
    decoder.decode(bytes.subarray(0, Math.max(0, end))),
  );
  if (head?.[1] !== checksum(body)) throw new Error(`Cannot read ${path}: it is damaged`);
  return JSON.parse(decoder.decode(body)) as EndpointSet;
}

/** Writes the set of source `key`; readers see the old one or the new one. `safe`: it must outlive a power cut. */
export function writeEndpointFile(folder: string, key: string, set: EndpointSet, safe = false): void {
  const body = new TextEncoder().encode(JSON.stringify(set));
  if (body.length > mostBytes) throw new RangeError(`Cannot write ${key}: ${body.length} bytes are too many`);
  const head = new TextEncoder().encode(`{"format":1,"sha256":"${checksum(body)}"}\n`);
  const path = pathOf(folder, key);
  const temporary = `${path}.${Deno.pid}.new`;
  {
    using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
    for (const part of [head, body]) {
      for (let written = 0; written < part.length;) written += file.writeSync(part.subarray(written));
    }
    if (safe) file.syncDataSync();
  }
  Deno.renameSync(temporary, path);
}

/** Removes sets of `folder` that are not in `used` and were not written for `ageMs`. */
export function removeOldEndpointFiles(
  folder: string,
  used: ReadonlySet<string>,
  now: number,
  ageMs: number,
): void {
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    const key = name.replace(/\.json(\.\d+\.new)?$/, "");
    if (!isFile || key === name || used.has(key)) continue;
    const { mtime } = Deno.statSync(join(folder, name));
    if (mtime !== null && now - mtime.getTime() > ageMs) Deno.removeSync(join(folder, name));
  }
}

function pathOf(folder: string, key: string): string {
  return join(folder, `${key}.json`);
}

function isOwn(path: string, kind: "isFile" | "isDirectory", forbidden: number): boolean {
  const info = Deno.lstatSync(path);
  if (info.size > mostBytes + 1024) return false;
  return info[kind] &&
    (Deno.build.os === "windows" || (info.uid === Deno.uid() && (info.mode! & forbidden) === 0));
}

function checksum(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
