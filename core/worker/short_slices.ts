/**
 * Asks the scheduler for short time slices of the calling thread: an I/O thread works in short bursts, and when one of
 * them never stops (an endless loop in a handler), the others on its core must not wait a whole slice each time they
 * wake. Costs no share of the processor, only who goes first. Linux 6.12 and newer; elsewhere it changes nothing.
 *
 * Source: sched_setattr(2), and `sched_runtime` of fair tasks as the requested slice of EEVDF (0.1 to 100 ms).
 */

const numbers: Record<string, number> = { x86_64: 314, aarch64: 274 };
const attrBytes = 48;
const runtimeAt = 24;

/** True when the kernel took it; whether it makes use of it depends on its version. Keeps policy and niceness. */
export function askForShortSlices(sliceMs: number): boolean {
  const number = numbers[Deno.build.arch];
  if (Deno.build.os !== "linux" || number === undefined) return false;
  try {
    const c = Deno.dlopen("libc.so.6", {
      syscall: { parameters: ["i64", "i64", "buffer", "i64"], result: "i64" },
      getpriority: { parameters: ["i32", "i32"], result: "i32" },
    });
    try {
      const attr = new Uint8Array(attrBytes);
      const view = new DataView(attr.buffer);
      view.setUint32(0, attrBytes, true);
      view.setInt32(16, c.symbols.getpriority(0, 0), true);
      view.setBigUint64(runtimeAt, BigInt(Math.round(sliceMs * 1e6)), true);
      return c.symbols.syscall(BigInt(number), 0n, attr, 0n) === 0n;
    } finally {
      c.close();
    }
  } catch {
    return false;
  }
}
