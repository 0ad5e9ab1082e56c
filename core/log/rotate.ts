/**
 * Rotation of log files by size: `access.log` becomes `access.log.1`, `.1` becomes `.2`, and what is beyond `keep` is
 * removed. Exactly one process of a service calls this and then tells all to reopen; until they do they go on writing
 * to the renamed file, so no line is lost. It never copies, truncates or compresses.
 */

/** The part of the manifest's `logs` this needs. */
export interface RotatePlan {
  sinks: Readonly<
    Record<string, { file?: string | undefined; rotate?: { size: number; keep: number } | undefined }>
  >;
}

/**
 * Renames every log file of `plan` that has reached its size. Resolves with the files that were renamed; when that is
 * not empty, all processes must reopen. A file that cannot be renamed is reported in `errors` and tried again next time.
 */
export async function rotateIfNeeded(plan: RotatePlan): Promise<{ rotated: string[]; errors: unknown[] }> {
  const rotated: string[] = [];
  const errors: unknown[] = [];
  const seen = new Set<string>();
  for (const { file, rotate } of Object.values(plan.sinks)) {
    if (file === undefined || rotate === undefined || rotate.size <= 0 || seen.has(file)) continue;
    seen.add(file);
    try {
      if (await sizeOf(file) < rotate.size) continue;
      await rename(file, rotate.keep);
      rotated.push(file);
    } catch (error) {
      errors.push(error);
    }
  }
  return { rotated, errors };
}

async function rename(file: string, keep: number): Promise<void> {
  if (keep === 0) return await Deno.remove(file);
  // only up to the first free number: what is above a gap has room already
  let free = 1;
  while (free < keep && await isThere(`${file}.${free}`)) free++;
  for (let n = free - 1; n >= 1; n--) await Deno.rename(`${file}.${n}`, `${file}.${n + 1}`);
  await Deno.rename(file, `${file}.1`);
  // more were kept once
  for (let n = keep + 1; await isThere(`${file}.${n}`); n++) await Deno.remove(`${file}.${n}`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    const info = await Deno.stat(file);
    // a device or a pipe given as a log file has no size to speak of
    return info.isFile ? info.size : 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
