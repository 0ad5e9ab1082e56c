/**
 * What a pool costs: calls per second through dispatch and through plain postMessage, with a handler that does nothing,
 * against one thread and two.
 */
import { createPool } from "../core/pool/mod.ts";
import { Scope } from "../core/scope.ts";
import { localStatsMemory } from "../core/stats/mod.ts";

const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error, child: () => quiet };
const adapter = new URL("../core/pool/testdata/echo.ts", import.meta.url).href;

interface Variant {
  readonly name: string;
  call(payload: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

async function poolVariant(threads: number, kind: "cpu" | "io"): Promise<Variant> {
  const scope = new Scope("bench");
  const stats = localStatsMemory(1).slot(0).writer({ role: "bench", id: 0 });
  const plan = { kind, threads, queue: 1000, heap: 2 ** 28, timeout: 30_000 };
  const pool = createPool("bench", plan, { directory: Deno.cwd(), log: quiet, stats, scope });
  const call = pool.bind(adapter, { module: adapter, export: "echo" });
  await call.ready;
  return {
    name: `dispatch ${kind} x${threads}`,
    call: (payload) => call(payload),
    close: () => scope.close(),
  };
}

/** A Web Worker: node:worker_threads takes up to twenty times longer to post a typed array. */
const echoWorker = "data:text/javascript,self.onmessage = (event) => self.postMessage(event.data)";

function messageVariant(threads: number): Promise<Variant> {
  const waiting = new Map<number, (value: unknown) => void>();
  let next = 0;
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(echoWorker, { type: "module" });
    worker.onmessage = ({ data: { id, payload } }) => {
      waiting.get(id)!(payload);
      waiting.delete(id);
    };
    return worker;
  });
  return Promise.resolve({
    name: `postMessage x${threads}`,
    call: (payload) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        workers[id % threads]!.postMessage({ id, payload });
      }),
    close() {
      for (const worker of workers) worker.terminate();
      return Promise.resolve();
    },
  });
}

async function measure(
  variant: Variant,
  concurrency: number,
  payload: Uint8Array,
  forMs: number,
): Promise<number> {
  let calls = 0;
  const started = performance.now();
  const one = async () => {
    while (performance.now() - started < forMs) {
      await variant.call(payload);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return calls / (performance.now() - started) * 1000;
}

if (import.meta.main) {
  const rounds = Number(Deno.args[0] ?? 5);
  const forMs = Number(Deno.args[1] ?? 300);
  const makers = [
    () => messageVariant(1),
    () => messageVariant(2),
    () => poolVariant(1, "cpu"),
    () => poolVariant(2, "cpu"),
    () => poolVariant(1, "io"),
    () => poolVariant(2, "io"),
  ];
  console.log("calls/s                       min     median        max");
  for (const [bytes, concurrency] of [[512, 1], [512, 64], [16384, 1], [16384, 64]] as const) {
    const payload = new Uint8Array(bytes).fill(7);
    const rates = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      for (const make of makers) {
        const variant = await make();
        await measure(variant, concurrency, payload, forMs / 3);
        const rate = await measure(variant, concurrency, payload, forMs);
        await variant.close();
        rates.set(variant.name, [...rates.get(variant.name) ?? [], rate]);
      }
    }
    console.log(`${bytes} B, concurrency ${concurrency}`);
    for (const [name, all] of rates) {
      const sorted = all.toSorted((a, b) => a - b);
      const cells = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
      console.log(`  ${name.padEnd(22)}${cells.map((n) => Math.round(n).toString().padStart(11)).join("")}`);
    }
  }
}
