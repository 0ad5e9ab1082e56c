import assert from "node:assert/strict";
import fc from "fast-check";
import type { Log } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { Scope } from "../scope.ts";
import { localStatsMemory, readSeries } from "../stats/mod.ts";
import { createPool, type Pool, type PoolOptions, type PoolSettings } from "./mod.ts";

const jobs = new URL("./testdata/jobs.ts", import.meta.url).href;
const service = new URL("./testdata/service.ts", import.meta.url).href;
const MiB = 2 ** 20;

interface Line {
  level: string;
  name: string;
  message: string;
  fields?: Record<string, unknown>;
}

function recorder(lines: Line[], name = "pools.p"): Log {
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    lines.push({ level, name, message, fields });
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (part) => recorder(lines, `${name}.${part}`),
  };
}

interface Bench {
  pool: Pool;
  lines: Line[];
  /** Value of a counter or gauge, count of a histogram. */
  series(name: string): number;
}

async function withPool(
  plan: Partial<PoolSettings>,
  body: (bench: Bench) => Promise<void>,
  options: Partial<PoolOptions> = {},
): Promise<void> {
  const lines: Line[] = [];
  const scope = new Scope("test");
  const memory = localStatsMemory(1);
  const stats = memory.slot(0).writer({ role: "worker", id: 0 });
  const full = { kind: "cpu" as const, threads: 1, queue: 16, heap: 64 * MiB, timeout: 10_000, ...plan };
  const pool = createPool("p", full, {
    directory: new URL(".", import.meta.url).pathname,
    log: recorder(lines),
    stats,
    scope,
    ...options,
  });
  const series = (name: string) => {
    const found = readSeries(memory).find((series) => series.name === name);
    return found === undefined ? NaN : found.distribution?.count ?? Number(found.value);
  };
  try {
    await pool.ready;
    await body({ pool, lines, series });
  } finally {
    await scope.close();
  }
}

function sharedFlag(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4));
}

async function until(flag: Int32Array<SharedArrayBuffer>, value: number): Promise<void> {
  for (let seen = Atomics.load(flag, 0); seen < value; seen = Atomics.load(flag, 0)) {
    const wait = Atomics.waitAsync(flag, 0, seen, 5000);
    if (wait.async) assert.notEqual(await wait.value, "timed-out");
  }
}

function raise(flag: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

function reason(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof ServiceError && error.reason === expected;
}

Deno.test("Pool.run() runs an export with cloned arguments and returns its value", () =>
  withPool({}, async ({ pool, series }) => {
    assert.equal(await pool.run(jobs, "add", [2, 3]), 5);
    assert.equal(await pool.run("testdata/jobs.ts", "add", [2, 3]), 5);
    const bytes = new Uint8Array(10);
    assert.equal(await pool.run(jobs, "length", [bytes], { transfer: [bytes.buffer] }), 10);
    assert.equal(bytes.length, 0);
    assert.equal(series("weir_pool_calls_total"), 3);
    assert.equal(series("weir_pool_run_seconds"), 3);
    assert.equal(series("weir_pool_wait_seconds"), 3);
  }));

Deno.test("Pool.run() rejects with what was thrown: class, name, message, stack, cause, code", () =>
  withPool({}, async ({ pool }) => {
    await assert.rejects(pool.run(jobs, "fail", []), (error: TypeError & { code: string }) => {
      assert.ok(error instanceof Error);
      assert.equal(error.name, "OddError");
      assert.equal(error.message, "this is odd");
      assert.equal(error.code, "E_ODD");
      assert.match(error.stack!, /jobs\.ts:\d+/);
      assert.ok(error.cause instanceof RangeError);
      return true;
    });
    await assert.rejects(pool.run(jobs, "failPlainly", []), /just a text/);
    await assert.rejects(pool.run(jobs, "nothing", []), /no export "nothing" that is a function/);
    await assert.rejects(pool.run(jobs, "add", [() => {}]), /could not be cloned/);
    await assert.rejects(pool.run(jobs, "unclonable", []), /could not be cloned/);
    assert.equal(await pool.run(jobs, "add", [1, 1]), 2);
    assert.equal(pool.describe().replaced, 0);
  }));

Deno.test("Pool runs three calls of 100 ms on two threads in about 200 ms", () =>
  withPool({ threads: 2 }, async ({ pool }) => {
    await Promise.all([pool.run(jobs, "nap", [0]), pool.run(jobs, "nap", [0])]);
    const started = performance.now();
    await Promise.all([1, 2, 3].map(() => pool.run(jobs, "nap", [100])));
    const took = performance.now() - started;
    assert.ok(took > 195 && took < 290, `took ${took} ms`);
  }));

Deno.test("Pool refuses exactly what is beyond threads + queue", () =>
  withPool({ threads: 2, queue: 3 }, async ({ pool, series }) => {
    const gate = sharedFlag();
    const calls = [1, 2, 3, 4, 5].map(() => pool.run(jobs, "waitFor", [gate]));
    const refusals = await Promise.allSettled([1, 2, 3].map(() => pool.run(jobs, "add", [1, 1])));
    for (const refusal of refusals) {
      assert.ok(refusal.status === "rejected" && reason("pool_full")(refusal.reason));
    }
    assert.equal(series("weir_pool_refused_total"), 3);
    assert.equal(series("weir_pool_depth"), 3);
    assert.equal(series("weir_pool_busy_threads"), 2);
    raise(gate);
    await Promise.all(calls);
    assert.equal(await pool.run(jobs, "add", [1, 1]), 2);
  }));

Deno.test("Pool loses only the call that ate its thread's heap, and replaces the thread", () =>
  withPool({ threads: 2, heap: 32 * MiB }, async ({ pool, lines, series }) => {
    for (const eater of ["eatHeap", "eatHeapLater"]) {
      const lost = pool.run(jobs, eater, []);
      lost.catch(() => {});
      const others = Array.from({ length: 10 }, (_, i) => pool.run(jobs, "add", [i, 1]));
      assert.deepEqual(await Promise.all(others), others.map((_, i) => i + 1));
      await assert.rejects(lost, reason("pool_lost"));
      await assert.rejects(lost, /used up its heap of 32 MiB while it ran jobs\.ts#eatHeap/);
    }
    assert.equal(await pool.run(jobs, "add", [1, 1]), 2);
    assert.equal(series("weir_pool_lost_total"), 2);
    assert.equal(series("weir_pool_replaced_total"), 2);
    assert.equal(pool.describe().replaced, 2);
    assert.ok(lines.some((line) => /used up its heap/.test(line.message) && line.level === "error"));
  }));

Deno.test("Pool ends a call that spins at its time limit and replaces its thread", () =>
  withPool({ threads: 1, timeout: 400 }, async ({ pool, lines, series }) => {
    await pool.run(jobs, "add", [1, 1]);
    const started = performance.now();
    const spinning = pool.run(jobs, "spin", []);
    const waiting = pool.run(jobs, "add", [1, 2]);
    waiting.catch(() => {});
    await assert.rejects(spinning, reason("pool_timeout"));
    const took = performance.now() - started;
    assert.ok(took > 395 && took < 480, `took ${took} ms`);
    await assert.rejects(waiting, reason("pool_timeout"));
    assert.equal(await pool.run(jobs, "add", [2, 2]), 4);
    assert.equal(series("weir_pool_timeouts_total"), 2);
    const line = lines.find((line) => /did not let go/.test(line.message));
    assert.equal(line?.fields?.during, "jobs.ts#spin");
    assert.equal(line?.fields?.mark, "about to spin");
  }));

Deno.test("Pool frees the slot of a call that never settles without ending its thread", () =>
  withPool({ threads: 1, timeout: 100 }, async ({ pool }) => {
    const thread = await pool.run(jobs, "thread", []);
    await assert.rejects(pool.run(jobs, "hang", []), reason("pool_timeout"));
    assert.equal(await pool.run(jobs, "thread", []), thread);
    for (let i = 0; i < 16; i++) await assert.rejects(pool.run(jobs, "hang", []), reason("pool_timeout"));
    assert.notEqual(await pool.run(jobs, "thread", [], { deadline: Date.now() + 5000 }), thread);
  }));

Deno.test("Pool drops a queued call whose deadline passed before it runs", () =>
  withPool({ threads: 1 }, async ({ pool }) => {
    const gate = sharedFlag();
    const ran = sharedFlag();
    const first = pool.run(jobs, "waitFor", [gate]);
    await assert.rejects(
      pool.run(jobs, "flag", [ran], { deadline: Date.now() + 50 }),
      reason("pool_timeout"),
    );
    await assert.rejects(pool.run(jobs, "flag", [ran], { deadline: Date.now() - 1 }), reason("pool_timeout"));
    raise(gate);
    await first;
    await pool.run(jobs, "add", [1, 1]);
    assert.equal(Atomics.load(ran, 0), 0);
  }));

Deno.test("Pool never runs a queued call whose caller left, and tells a running one", () =>
  withPool({ threads: 1 }, async ({ pool, series }) => {
    const gate = sharedFlag();
    const ran = sharedFlag();
    const first = pool.run(jobs, "waitFor", [gate]);
    const leaving = new AbortController();
    const queued = pool.run(jobs, "flag", [ran], { signal: leaving.signal });
    leaving.abort();
    await assert.rejects(queued, reason("client_left"));
    await assert.rejects(pool.run(jobs, "flag", [ran], { signal: leaving.signal }), reason("client_left"));
    raise(gate);
    await first;
    const state = sharedFlag();
    const running = new AbortController();
    const told = pool.run(jobs, "flagWhenAborted", [state], { signal: running.signal });
    await until(state, 1);
    running.abort();
    await assert.rejects(told, reason("client_left"));
    await until(state, 2);
    assert.equal(await pool.run(jobs, "add", [1, 1]), 2);
    assert.equal(Atomics.load(ran, 0), 0);
    assert.equal(series("weir_pool_left_total"), 2);
  }));

Deno.test("Pool runs a call from one of its own threads in place", () =>
  withPool({ threads: 1, queue: 0 }, async ({ pool }) => {
    const [outer, inner] = await pool.run<[number, number]>(jobs, "inPlace", ["p"]);
    assert.equal(outer, inner);
  }));

Deno.test("Pools that call one another in circles do not deadlock", async () => {
  const pools = new Map<string, Pool>();
  const find = (name: string) => pools.get(name);
  await withPool({ threads: 1, queue: 50 }, async ({ pool: a }) => {
    await withPool({ threads: 1, queue: 50 }, async ({ pool: b }) => {
      // Both pools are called "p" by withPool; on their threads the names below are other pools.
      pools.set("a", a).set("b", b);
      assert.equal(await a.run(jobs, "nest", [["b", "a", "b", "a", "b"]]), 5);
      const both = Array.from({ length: 20 }, (_, i) => {
        const [pool, path] = i % 2 === 0 ? [a, ["b", "a", "b"]] as const : [b, ["a", "b", "a"]] as const;
        return pool.run(jobs, "nest", [path]);
      });
      assert.deepEqual(await Promise.all(both), both.map(() => 3));
      await assert.rejects(a.run(jobs, "nest", [["c"]]), /pool "c": it is not declared/);
    }, { pools: find });
  }, { pools: find });
});

Deno.test("Pool.run() runs here when inlineIf says so", () =>
  withPool({}, async ({ pool, series }) => {
    const cheap = (...args: unknown[]) => (args[0] as Uint8Array).length < 100;
    assert.equal(await pool.run(jobs, "length", [new Uint8Array(10)], { inlineIf: cheap }), 10);
    assert.equal(series("weir_pool_calls_total"), 0);
    assert.equal(series("weir_pool_inline_total"), 1);
    assert.equal(await pool.run(jobs, "length", [new Uint8Array(1000)], { inlineIf: cheap }), 1000);
    assert.equal(series("weir_pool_calls_total"), 1);
  }));

Deno.test("Pool.bind() loads and starts a handler once per thread and gives it its request", () =>
  withPool({ threads: 2 }, async ({ pool, lines }) => {
    const who = pool.bind(service, { module: service, export: "who" });
    await who.ready;
    const marks: string[] = [];
    const request = { id: "r-ü", rpcId: "1.2", client: "web", address: "127.0.0.1" };
    const onMark = (text: string) => marks.push(text);
    const deadline = Date.now() + 60_000;
    const read = async (payload: Uint8Array) =>
      JSON.parse(new TextDecoder().decode(await who(payload, undefined, deadline, { request, onMark })));
    const answers = await Promise.all([
      read(new Uint8Array(1)),
      read(new Uint8Array(200_000)),
      read(new Uint8Array()),
    ]);
    for (const answer of answers) {
      assert.equal(answer.starts, 1);
      assert.equal(answer.deadline, deadline);
      assert.deepEqual(answer.request, { ...request, meta: {} });
      assert.deepEqual(answer.config, { a: 1 });
    }
    await pool.close();
    assert.equal(lines.filter((line) => line.message === "started").length, 2);
    assert.equal(lines.filter((line) => line.message === "stopped").length, 2);
    await assert.rejects(who(new Uint8Array(1)), reason("draining"));
  }, { context: { config: { a: 1 } } }));

Deno.test("Pool.bind() says why a handler cannot be loaded, and what a handler did wrong", () =>
  withPool({}, async ({ pool }) => {
    const bind = (name: string) => pool.bind(service, { module: service, export: name });
    await assert.rejects(bind("absent").ready, /has no export "absent"/);
    await assert.rejects(pool.bind(service, { module: "file:///nowhere.ts", export: "x" }).ready, /nowhere/);
    await assert.rejects(pool.bind(jobs, { module: service, export: "echo" }).ready, /no function "make"/);
    await assert.rejects(bind("broken")(new Uint8Array(1)), RangeError);
    await assert.rejects(bind("notBytes")(new Uint8Array(1)), /not a Uint8Array/);
    assert.deepEqual(await bind("echo")(Uint8Array.of(1, 2)), Uint8Array.of(1, 2));
  }));

Deno.test("Pool threads refuse upstreams, which belong to the I/O thread", () =>
  withPool({}, async ({ pool }) => {
    const upstream = pool.bind(service, { module: service, export: "upstream" });
    const message =
      "Cannot call upstreams.users from a pool thread: call it on the I/O thread and pass the result";
    await assert.rejects(upstream(new Uint8Array(1)), { name: "TypeError", message });
  }));

Deno.test("BoundService answers messages, by ring and by message, at once and later", () =>
  withPool({ threads: 2, queue: 200 }, async ({ pool }) => {
    const calls = ["turn", "turnLater"].map((name) => pool.bind(service, { module: service, export: name }));
    const request = { id: "r-ü", rpcId: "1" };
    for (const length of [0, 1, 500, 21_000, 40_000, 70_000, 300_000]) {
      for (const unit of ["a", "ä", "€"]) {
        const text = unit.repeat(length);
        const bodies = [undefined, text, new Uint8Array(length + 1).fill(7)];
        const sent = bodies.map((body) => ({ head: `${text}.`, body }));
        const answers = sent.flatMap((message) =>
          calls.map((call) => call(message, undefined, undefined, { request }))
        );
        const wanted = sent.flatMap(({ body }) => calls.map(() => ({ head: `.${text}`, body })));
        assert.deepEqual(await Promise.all(answers), wanted);
      }
    }
  }));

Deno.test("BoundService returns every payload whole, at every size around the bounds of its rings", () =>
  withPool({ threads: 2, queue: 200 }, async ({ pool }) => {
    const echo = pool.bind(service, { module: service, export: "echo" });
    const later = pool.bind(service, { module: service, export: "echoLater" });
    await Promise.all([echo.ready, later.ready]);
    const near = (bytes: number) => fc.integer({ min: Math.max(0, bytes - 40), max: bytes + 40 });
    const size = fc.oneof(
      near(0),
      near(512),
      near(32 * 1024),
      near(64 * 1024),
      near(256 * 1024),
      near(512 * 1024),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(size, fc.boolean()), { maxLength: 40 }), async (calls) => {
        await Promise.all(calls.map(async ([bytes, slow], i) => {
          const payload = new Uint8Array(bytes).fill(i + 1);
          const answer = await (slow ? later : echo)(payload);
          assert.ok(equal(answer, payload), `${bytes} bytes`);
        }));
      }),
      { numRuns: 25 },
    );
  }));

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test("BoundService answers 100,000 calls of random sizes, each with its own bytes, in order on one thread", () =>
  withPool({ threads: 1, queue: 300 }, async ({ pool }) => {
    const echo = pool.bind(service, { module: service, export: "echo" });
    await echo.ready;
    const total = 100_000;
    let next = 0;
    let lastAnswered = -1;
    let seed = 12345;
    const one = async () => {
      while (next < total) {
        const number = next++;
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        const payload = new Uint8Array(8 + (seed >>> 8) % 600);
        const view = new DataView(payload.buffer);
        view.setUint32(0, number);
        payload[payload.length - 1] = number & 255;
        const answer = await echo(payload);
        if (answer.length !== payload.length || new DataView(answer.buffer).getUint32(0) !== number) {
          assert.fail(`call ${number}`);
        }
        assert.equal(answer[answer.length - 1], number & 255);
        if (number !== ++lastAnswered) assert.fail(`call ${number} came after ${lastAnswered}`);
      }
    };
    await Promise.all(Array.from({ length: 200 }, one));
    assert.equal(lastAnswered, total - 1);
  }));

Deno.test("BoundService keeps answers apart when its answer ring is full", () =>
  withPool({ threads: 1, queue: 300 }, async ({ pool }) => {
    const sized = pool.bind(service, { module: service, export: "sized" });
    await sized.ready;
    const calls = Array.from({ length: 200 }, async (_, i) => {
      const payload = new Uint8Array(5);
      new DataView(payload.buffer).setUint32(0, i % 7 === 0 ? 400_000 : 60_000 + i);
      payload[4] = i;
      const answer = await sized(payload);
      assert.equal(answer.length, i % 7 === 0 ? 400_000 : 60_000 + i);
      assert.ok(answer.every((byte) => byte === (i & 255)));
    });
    await Promise.all(calls);
  }));

Deno.test("Pool gives calls that wait behind a long one to an idle thread", () =>
  withPool({ threads: 2, queue: 300 }, async ({ pool }) => {
    const burn = pool.bind(service, { module: service, export: "burn" });
    await burn.ready;
    // Teaches the pool that calls are short, so that it hands them out ahead.
    await Promise.all(Array.from({ length: 300 }, () => burn(Uint8Array.of(0))));
    const started = performance.now();
    const long = burn(Uint8Array.of(200));
    await Promise.all(Array.from({ length: 40 }, () => burn(Uint8Array.of(0))));
    const took = performance.now() - started;
    assert.ok(took < 120, `short calls took ${took} ms`);
    await long;
  }));

Deno.test("Pool leaves the main thread its loop while all of its threads compute", () =>
  withPool({ threads: 2, queue: 100 }, async ({ pool }) => {
    const all = Promise.all(Array.from({ length: 10 }, () => pool.run(jobs, "burn", [50])));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await all;
    clearInterval(timer);
    // 250 ms of computing; a loop that waits for its threads would tick five times.
    assert.ok(ticks > 15, `${ticks} ticks of 5 ms`);
  }));

Deno.test("Pool leaves the main thread its loop under a constant stream of short calls", () =>
  withPool({ threads: 1, queue: 100 }, async ({ pool }) => {
    const echo = pool.bind(service, { module: service, export: "echo" });
    await echo.ready;
    let going = true;
    let timers = 0;
    const streams = Array.from({ length: 50 }, async () => {
      while (going) await echo(Uint8Array.of(1));
    });
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (++timers < 20) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    going = false;
    await Promise.all(streams);
  }));

Deno.test("Pool forwards log lines, console output and statistics of its threads, a bounded number of them", () => {
  const stats: unknown[] = [];
  const userStats = {
    counter: (...args: unknown[]) => void stats.push(["counter", ...args]),
    gauge: (...args: unknown[]) => void stats.push(["gauge", ...args]),
    timing: (...args: unknown[]) => void stats.push(["timing", ...args]),
    distinct: (...args: unknown[]) => void stats.push(["distinct", ...args]),
  };
  return withPool({}, async ({ pool, lines, series }) => {
    await pool.run(jobs, "talk", []);
    await pool.run(jobs, "chatter", [100_000]);
    await pool.close();
    const careful = lines.find((line) => line.name === "pools.p.sub")!;
    assert.equal(careful.level, "warn");
    assert.ok(careful.fields!.error instanceof RangeError);
    assert.equal(careful.fields!.n, 1);
    assert.ok(lines.some((line) => line.name === "pools.p.console" && line.message === "from console"));
    assert.deepEqual(stats, [["counter", "things", 2, { kind: "a" }], ["timing", "took", 5, undefined]]);
    const got = lines.filter((line) => line.message === "line").length;
    assert.ok(got >= 8000 && got < 100_000);
    assert.equal(got + series("weir_pool_forward_lost_total"), 100_000);
  }, { userStats });
});

Deno.test("Pool replaces a thread that exits, waits longer each time, and serves on", () =>
  withPool({ threads: 1 }, async ({ pool, series }) => {
    for (let i = 0; i < 3; i++) await assert.rejects(pool.run(jobs, "exit", []), reason("pool_lost"));
    assert.equal(await pool.run(jobs, "add", [1, 1]), 2);
    assert.equal(series("weir_pool_replaced_total"), 3);
  }));

Deno.test("Pool.describe() tells what each thread does", () =>
  withPool({ threads: 2 }, async ({ pool }) => {
    const gate = sharedFlag();
    const started = sharedFlag();
    const call = pool.run(jobs, "waitFor", [gate, started]);
    await until(started, 1);
    const { threads, waiting } = pool.describe();
    assert.deepEqual(
      threads.map(({ state, job }) => ({ state, job })).sort((a, b) => a.job < b.job ? -1 : 1),
      [
        { state: "idle", job: "" },
        { state: "busy", job: "jobs.ts#waitFor" },
      ],
    );
    assert.equal(waiting, 0);
    raise(gate);
    await call;
  }));

Deno.test("Pool.close() lets running calls finish, up to its limit", async () => {
  await withPool({ threads: 1 }, async ({ pool }) => {
    const call = pool.run(jobs, "nap", [50]);
    const closing = pool.close();
    await assert.rejects(pool.run(jobs, "add", [1, 1]), reason("draining"));
    assert.equal(typeof await call, "number");
    await closing;
  });
  await withPool({ threads: 1 }, async ({ pool }) => {
    const spinning = pool.run(jobs, "spin", []);
    const queued = pool.run(jobs, "add", [1, 1]);
    const ends = Promise.allSettled([spinning, queued]);
    await pool.close();
    const reasons = (await ends).map((end) => end.status === "rejected" && end.reason.reason);
    assert.deepEqual(reasons, ["pool_lost", "draining"]);
  }, { drainMs: 100 });
});

Deno.test("BoundService.ready rejects when its handler cannot be loaded, also when nobody waits for it", async () => {
  const scope = new Scope("test");
  const stats = localStatsMemory(1).slot(0).writer({ role: "worker", id: 0 });
  const plan = { kind: "io" as const, threads: 2, queue: 1, heap: 64 * MiB, timeout: 1000 };
  const pool = createPool("p", plan, { directory: "/", log: recorder([]), stats, scope });
  const absent = pool.bind(service, { module: service, export: "absent" });
  await pool.ready;
  await assert.rejects(absent.ready, /has no export "absent"/);
  await assert.rejects(absent(new Uint8Array(1)), /handler is not loaded/);
  await scope.close();
});

Deno.test("Pool threads end with their process, also one that spins", async () => {
  const code = `
    import { createPool } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
    import { Scope } from ${JSON.stringify(new URL("../scope.ts", import.meta.url).href)};
    import { localStatsMemory } from ${JSON.stringify(new URL("../stats/mod.ts", import.meta.url).href)};
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
    const stats = localStatsMemory(1).slot(0).writer({ role: "worker", id: 0 });
    const plan = { kind: "cpu", threads: 1, queue: 1, heap: 2 ** 26, timeout: 60000 };
    const pool = createPool("p", plan, { directory: "/", log, stats, scope: new Scope("s") });
    const started = new Int32Array(new SharedArrayBuffer(4));
    pool.run(${JSON.stringify(jobs)}, "spinAfter", [started]).catch(() => {});
    await Atomics.waitAsync(started, 0, 0).value;
    Deno.exit(7);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", new URL("../../deno.json", import.meta.url).pathname, "-"],
    stdin: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  assert.equal((await child.status).code, 7);
  clearTimeout(late);
});
