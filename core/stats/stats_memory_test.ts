import assert from "node:assert/strict";
import {
  createStatsFile,
  localStatsMemory,
  openStatsFile,
  openThreadView,
  readConnections,
  readInflight,
  readSeries,
  readSlots,
  removeStatsFile,
  statsFilePath,
  type StatsMemory,
} from "./mod.ts";

async function withFile(
  run: (path: string, memory: StatsMemory) => Promise<void> | void,
  slots = 8,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const path = `${statsFilePath(folder)}.test`;
  try {
    createStatsFile(path, { slots });
    await run(path, openStatsFile(path));
  } finally {
    removeStatsFile(path);
    Deno.removeSync(folder, { recursive: true });
  }
}

function total(memory: StatsMemory, name: string): number {
  return readSeries(memory, { only: (n) => n === name }).reduce((sum, s) => sum + s.value, 0);
}

Deno.test("createStatsFile() makes a sparse file of 0600 and leaves nothing else behind", () =>
  withFile((path) => {
    const { mode, size, blocks } = Deno.statSync(path);
    assert.equal(mode! & 0o777, 0o600);
    assert.ok(size > 300_000_000, `${size}`);
    assert.ok(blocks! * 512 < 1_000_000, `${blocks}`);
    assert.throws(() => Deno.statSync(`${path}.${Deno.pid}`), Deno.errors.NotFound);
  }, 64));

Deno.test("createStatsFile() replaces a file, and who mapped the old one goes on with it", () =>
  withFile((path, old) => {
    old.slot(0).writer({ role: "worker", id: 1 }).counter("app_total").add(3);
    createStatsFile(path, { slots: 2 });
    assert.deepEqual(readSlots(openStatsFile(path)), []);
    assert.equal(total(old, "app_total"), 3);
  }));

Deno.test("openStatsFile() shows what another mapping of the file writes", () =>
  withFile((path, memory) => {
    const writer = openStatsFile(path).slot(5).writer({ role: "worker", id: 1 });
    writer.histogram("app_seconds").record(50);
    writer.inflight.begin(writer.intern("api"), -1, 1, "GET /");
    const [series] = readSeries(memory, { only: (name) => name === "app_seconds" });
    assert.ok(Math.abs(series!.distribution!.quantile(0.5) - 50) < 1);
    assert.equal(readInflight(memory).rows[0]!.listener, "api");
    assert.equal(memory.path, path);
  }));

Deno.test("openStatsFile() refuses a file that is missing, foreign, of another version or cut off", () =>
  withFile((path) => {
    assert.throws(() => openStatsFile(`${path}.none`), Deno.errors.NotFound);
    const head = Deno.readFileSync(path).slice(0, 4096);
    const altered = `${path}.altered`;
    try {
      for (const at of [0, 4, 12]) {
        const copy = head.slice();
        copy[at]! ^= 1;
        Deno.writeFileSync(altered, copy);
        assert.throws(() => openStatsFile(altered), /not a statistics file of this version/);
      }
      Deno.writeFileSync(altered, head);
      assert.throws(() => openStatsFile(altered), /it has 4096 bytes/);
      Deno.writeFileSync(altered, new Uint8Array());
      assert.throws(() => openStatsFile(altered), /not a statistics file/);
    } finally {
      removeStatsFile(altered);
    }
  }, 1));

Deno.test("slot() and the number of slots are checked", () => {
  const memory = localStatsMemory(2);
  for (const number of [-1, 2, 0.5, NaN]) assert.throws(() => memory.slot(number), RangeError);
  for (const slots of [0, 257, 1.5]) assert.throws(() => localStatsMemory(slots), RangeError);
});

Deno.test("statsFilePath() is the same for the same folder and falls back to it without memory file system", () => {
  const folder = Deno.makeTempDirSync();
  assert.equal(statsFilePath(folder), statsFilePath(`${folder}/.`));
  assert.equal(statsFilePath(folder, "/nowhere"), `${folder}/stats`);
  Deno.removeSync(folder);
});

Deno.test("removeStatsFile() does nothing when the file is gone", () => removeStatsFile("/nowhere/stats"));

Deno.test("removeStatsFile() of orphans leaves the file of a supervisor that runs", () =>
  withFile((path) => {
    removeStatsFile(path, { orphaned: true });
    const bytes = Deno.readFileSync(path);
    new DataView(bytes.buffer).setInt32(16, 2 ** 22 + 1, true);
    Deno.writeFileSync(path, bytes);
    removeStatsFile(path, { orphaned: true });
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
    removeStatsFile(path, { orphaned: true });
  }, 1));

Deno.test("writer() refuses a slot that another process writes until that one is gone", () =>
  withFile(async (path, memory) => {
    const child = counting(path, 0, "1");
    const reader = child.stdout.getReader();
    await reader.read();
    assert.throws(
      () => memory.slot(0).writer({ role: "worker", id: 1 }),
      new RegExp(`process ${child.pid} writes it`),
    );
    child.kill("SIGKILL");
    await drain(reader);
    await child.status;
    memory.slot(0).writer({ role: "worker", id: 1 });
  }));

function counting(path: string, slot: number, id: string): Deno.ChildProcess {
  const script = new URL("testdata/counting_child.ts", import.meta.url);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script.href, path, String(slot), id],
    stdout: "piped",
    stdin: "null",
  }).spawn();
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
  let bytes = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return bytes;
    bytes += value.length;
  }
}

Deno.test("totals equal what was acknowledged and never fall while writers are killed again and again", () =>
  withFile(async (path, memory) => {
    const acknowledged = [0, 0, 0];
    let kills = 0;
    let lowest = 0;
    const check = () => {
      const now = total(memory, "weir_requests_total");
      assert.ok(now >= lowest, `${now} after ${lowest}`);
      lowest = now;
    };
    const run = async (slot: number) => {
      for (let round = 0; round < 8; round++) {
        const before = [acknowledged[slot]!, slotTotal(memory, slot)] as const;
        const child = counting(path, slot, String(slot));
        const reader = child.stdout.getReader();
        const wanted = 1 + Math.floor(Math.random() * 5000);
        let acks = 0;
        while (acks < wanted) {
          const { value, done } = await reader.read();
          assert.ok(!done, "the writer ended by itself");
          acks += value.length;
          check();
        }
        child.kill("SIGKILL");
        kills++;
        acks += await drain(reader);
        await child.status;
        check();
        acknowledged[slot]! += acks;
        const counted = slotTotal(memory, slot) - before[1];
        // Killed between counting and saying so, at most one is counted and not acknowledged.
        assert.ok(counted === acks || counted === acks + 1, `${counted} counted, ${acks} acknowledged`);
      }
    };
    await Promise.all([0, 1, 2].map(run));
    assert.equal(kills, 24);
    const sum = acknowledged.reduce((a, b) => a + b);
    for (const name of ["weir_requests_total", "weir_request_duration_seconds"]) {
      const value = total(memory, name);
      assert.ok(value >= sum && value <= sum + kills, `${name} ${value} of ${sum}`);
    }
    // The requests of the dead are still readable; gauges of the dead are not shown.
    assert.ok(readInflight(memory).total > 0);
    assert.ok(
      readInflight(memory).rows.every((r) => r.torn || (r.text === "GET /count" && r.listener === "api")),
    );
    assert.equal(total(memory, "weir_busy"), 0);
    assert.ok(readSlots(memory).every((s) => s.writers === 8 && !s.alive));
  }));

function slotTotal(memory: StatsMemory, slot: number): number {
  const { views } = memory.slot(slot);
  const entry = memory.slot(slot).entries().find((e) => e.name === "weir_requests_total");
  return entry ? views.f64[entry.cell]! : 0;
}

for (const kind of ["mapped", "local"] as const) {
  Deno.test(`threadView() lets a thread write ${kind} memory, and no row is ever read torn from it`, () =>
    withFile(async (_path, mapped) => {
      const memory = kind === "mapped" ? mapped : localStatsMemory(2);
      const thread = new Worker(new URL("testdata/busy_thread.ts", import.meta.url), { type: "module" });
      const stop = memory.shared.int32("stop");
      try {
        thread.postMessage({ view: memory.threadView(), slot: 1 });
        while (total(memory, "weir_turns_total") < 1000) await new Promise((done) => setTimeout(done, 5));
        let whole = 0;
        // Without the sequence numbers about one read in 400 mixes two requests.
        for (let read = 0; whole < 6000 && read < 1_000_000; read++) {
          for (const row of readInflight(memory).rows) {
            if (row.torn) continue;
            const n = row.startedAt;
            whole++;
            assert.equal(row.text, `text ${n} ${"x".repeat(n % 40)}`);
            assert.equal(row.connection, n);
            if (row.mark !== "") assert.equal(row.mark, `mark ${row.markedAt}`);
            assert.equal(row.id, n);
          }
          for (const row of readConnections(memory).rows) {
            if (!row.torn) assert.equal(row.peer, `peer ${row.openedAt}`);
          }
        }
        assert.ok(whole >= 6000);
        stop.store(1);
        while (stop.load() !== 2) await new Promise((done) => setTimeout(done, 5));
      } finally {
        thread.terminate();
      }
      // The thread never closed its slot and its process lives; the process knows that it is gone.
      const before = total(memory, "weir_turns_total");
      const again = openThreadView(memory.threadView()).slot(1).writer({
        role: "thread",
        id: 1,
        takeOver: true,
      });
      again.counter("weir_turns_total").add();
      assert.equal(total(memory, "weir_turns_total"), before + 1);
    }));
}
