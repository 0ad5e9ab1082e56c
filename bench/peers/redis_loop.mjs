/**
 * The load of the comparison `redis`, the same for every client and runtime: callers that ask for one key after another,
 * each as soon as it has its answer. Prints nothing; answers with what was measured of this very process.
 */
import process from "node:process";

export const keys = 1000;

/** What stands under key `n`; 64 characters. */
export const valueOf = (n) => `value ${n} `.padEnd(64, "x");

/** `set(key, value)` and `get(key)` of one client over one connection. */
export async function measure({ set, get }, { callers, seconds }) {
  for (let n = 0; n < keys; n++) await set(`key:${n}`, valueOf(n));
  // Compilers need a while.
  await run(get, callers, Math.min(1, seconds));
  return await run(get, callers, seconds);
}

async function run(get, callers, seconds) {
  let calls = 0;
  const before = process.cpuUsage();
  const from = performance.now();
  const until = from + seconds * 1000;
  await Promise.all(Array.from({ length: callers }, async (_, caller) => {
    for (let n = caller; performance.now() < until; n = (n + callers) % keys) {
      const value = await get(`key:${n}`);
      if (value.length !== 64) throw new Error(`a reply is not what was stored: ${value}`);
      calls++;
    }
  }));
  const elapsedSeconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { perSecond: calls / elapsedSeconds, cpuMicroseconds: (user + system) / calls };
}
