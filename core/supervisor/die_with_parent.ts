/**
 * Makes sure that a child does not outlive the supervisor, first thing in every child. On Linux the kernel kills it
 * when the supervisor dies, also while its loop spins; everywhere the end of the control channel does, as soon as the
 * loop turns (the child's own business: see core/channel.ts `onClose`). Refuses to run as an orphan.
 */
const prSetPdeathsig = 1;
const sigkill = 9;

/** Asks the kernel to kill this process with its parent. Exits at once when the parent is gone already. */
export function dieWithParent(supervisorPid: number = Number(Deno.env.get("WEIR_SUPERVISOR") ?? 0)): void {
  if (Deno.build.os === "linux") {
    for (const name of ["libc.so.6", "libc.so"]) {
      try {
        const libc = Deno.dlopen(name, {
          prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
        });
        libc.symbols.prctl(prSetPdeathsig, BigInt(sigkill), 0n, 0n, 0n);
        break;
      } catch {
        // Another name of libc (musl), or no FFI permission: then the channel's end must do.
      }
    }
  }
  // It may have died between our start and the call above; then nobody would ever send the signal.
  if (supervisorPid > 0 && Deno.ppid !== supervisorPid) Deno.exit(1);
}
