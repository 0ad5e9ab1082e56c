/**
 * How many cores this process may use: what the control group grants, not what the machine has.
 * Used once per compile, for `workers.count: auto` and the threads of cpu pools.
 */

/**
 * @param readFile gives a file's text or throws; replaced by tests
 * @param available cores that the operating system shows, used where no quota is set
 * @returns at least 1; a quota of 1.5 cores counts as 2, since half a core wants to be used too
 */
export function grantedCores(
  readFile: (path: string) => string = Deno.readTextFileSync,
  available: number = navigator.hardwareConcurrency,
): number {
  const quota = cgroup2(readFile) ?? cgroup1(readFile);
  const cores = quota === null ? available : Math.min(Math.ceil(quota), available);
  return Math.max(1, cores);
}

function cgroup2(readFile: (path: string) => string): number | null {
  const [quota, period] = read(readFile, "/sys/fs/cgroup/cpu.max").split(/\s+/);
  return share(quota, period);
}

function cgroup1(readFile: (path: string) => string): number | null {
  return share(
    read(readFile, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    read(readFile, "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
  );
}

function share(quota: string | undefined, period: string | undefined): number | null {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : null;
}

/** Outside of Linux, and in most containers of the other generation, the file is not there: no quota. */
function read(readFile: (path: string) => string, path: string): string {
  try {
    return readFile(path).trim();
  } catch {
    return "";
  }
}
