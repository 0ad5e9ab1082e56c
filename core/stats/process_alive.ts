/**
 * Whether a process still runs. A pid alone is not enough: numbers are used again, and a killed child stays as a zombie
 * until its parent reads the exit status; so on Linux the start time of the process belongs to its identity.
 */

/** Start time of a process in clock ticks since boot; 0 where it cannot be known, -1 when it does not run. */
export function processStart(pid: number): number {
  if (pid <= 0) return -1;
  if (Deno.build.os !== "linux") return respondsToSignals(pid) ? 0 : -1;
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    // ESRCH: it ended between opening and reading. Anything else (hidepid, no permission) says nothing.
    if (error instanceof Error && error.message.includes("os error 3")) return -1;
    return respondsToSignals(pid) ? 0 : -1;
  }
  // The command name in parentheses may itself contain spaces and parentheses; state and start time stand behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return -1;
  return Number(fields[19]);
}

/** True when the process `pid` that started at `start` (0: unknown) still runs. */
export function isProcessAlive(pid: number, start: number): boolean {
  const now = processStart(pid);
  if (now < 0) return false;
  return now === 0 || start === 0 || now === start;
}

function respondsToSignals(pid: number): boolean {
  try {
    Deno.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}
