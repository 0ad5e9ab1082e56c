import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { openSegment } from "./segment_file.ts";
import { MadeLane, recordBytes } from "./testdata/made_lane.ts";
import { Shipping, type ShippingOptions } from "./testdata/shipping.ts";

const namesOf = (lane: MadeLane, sequences: readonly number[]) => sequences.map((n) => `${lane.name} ${n}`);
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

/** Ships all there is. */
async function shipAll(shipping: Shipping): Promise<void> {
  shipping.start();
  assert.equal(await shipping.end(), 0);
}

Deno.test("StreamShipper ships all records before and after damage and counts exactly those that are lost", async () => {
  const damage = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (sizes, damages, lastIsOpen) => {
        using shipping = new Shipping();
        const lane = new MadeLane(shipping.folder);
        const paths: string[] = [];
        const intact = new Set<number>();
        sizes.forEach((size, index) => {
          lane.write(size).forEach((sequence) => intact.add(sequence));
          if (index === sizes.length - 1 && lastIsOpen) paths.push(lane.openPath);
          else paths.push(lane.close());
        });
        lane.end();
        const last = lane.next - 1;
        // which records are whole afterwards is found out by comparing bytes
        for (const path of paths) {
          const before = Deno.readFileSync(path);
          const after = before.slice();
          for (const { at, bytes } of damages) {
            if (paths[Math.floor(at * paths.length)] !== path) continue;
            const from = Math.floor((at * paths.length % 1) * after.length);
            after.set(bytes.subarray(0, after.length - from), from);
          }
          Deno.writeFileSync(path, after);
          const view = new DataView(before.buffer);
          for (let offset = 32; offset < before.length;) {
            const end = offset + 8 + view.getUint32(offset, true);
            const same = after.subarray(offset, end).every((byte, index) => byte === before[offset + index]);
            if (!same) intact.delete(view.getUint32(offset + 8, true));
            offset = end;
          }
        }
        await shipAll(shipping);
        const expected = range(1, last).filter((sequence) => intact.has(sequence));
        assert.deepEqual(shipping.taken, namesOf(lane, expected));
        const { sent, failed, acked, damagedBytes, dropped } = shipping.figures!;
        // of an open segment nobody knows what stood behind its last record
        const known = lastIsOpen ? Math.max(sent, expected.at(-1) ?? 0) : last;
        assert.deepEqual({ sent, acked, dropped }, { sent: known, acked: expected.length, dropped: 0 });
        assert.equal(failed, known - expected.length);
        if (expected.length < last) assert.ok(damagedBytes > 0);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("StreamShipper keeps damaged bytes for people and says once where they stood", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(10);
  const path = lane.close();
  lane.end();
  const bytes = Deno.readFileSync(path);
  const length = recordBytes(1, { value: new TextEncoder().encode(`{"id":"${lane.name} 1"}`) }).length;
  const from = 32 + 4 * length;
  bytes[from + 20]! ^= 1;
  Deno.writeFileSync(path, bytes);
  await shipAll(shipping);
  const { failed, acked, damagedBytes } = shipping.figures!;
  assert.deepEqual({ failed, acked, damagedBytes }, { failed: 1, acked: 9, damagedBytes: length });
  const copy = join(shipping.folder, "damaged", `${lane.name}-5.bin`);
  assert.deepEqual(Deno.readFileSync(copy), bytes.slice(from, from + length));
  assert.equal(Deno.statSync(copy).mode! & 0o777, 0o600);
  const errors = shipping.lines.filter(({ level }) => level === "error");
  assert.equal(errors.length, 1);
  const { lane: name, offset, lost, cause } = errors[0]!.fields;
  assert.deepEqual({ name, offset, lost, cause }, {
    name: lane.name,
    offset: from,
    lost: 1,
    cause: "the checksum differs",
  });
});

Deno.test("StreamShipper passes damage in a segment whose writer lives", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(3);
  const bad = recordBytes(lane.next++, { value: new Uint8Array(50) });
  bad[40]! ^= 1;
  lane.append(bad);
  lane.write(3);
  shipping.start();
  await shipping.until(({ acked, failed }) => acked === 6 && failed === 1);
  lane.write(2);
  await shipping.until(({ acked }) => acked === 8);
  lane.end();
  await shipping.end();
});

Deno.test("StreamShipper waits for the rest of a record while its writer lives and ends the lane at it when that is dead", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(3);
  const next = recordBytes(lane.next++, { value: new Uint8Array(100) });
  lane.append(next.subarray(0, 60));
  shipping.start();
  await shipping.until(({ acked }) => acked === 3);
  assert.equal(shipping.figures!.damagedBytes, 0);
  lane.append(next.subarray(60));
  await shipping.until(({ acked }) => acked === 4);
  lane.append(recordBytes(5, { value: new Uint8Array(100) }).subarray(0, 33));
  lane.end();
  const figures = await shipping.until(({ lanes }) => lanes === 0);
  const { sent, acked, failed, damagedBytes } = figures;
  assert.deepEqual({ sent, acked, failed, damagedBytes }, { sent: 4, acked: 4, failed: 0, damagedBytes: 33 });
  await shipping.end();
});

Deno.test("StreamShipper reads what stands where a writer took half a record back", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(2);
  const { size } = Deno.statSync(lane.openPath);
  const value = new Uint8Array(10);
  lane.append(recordBytes(3, { value: new Uint8Array(100) }).subarray(0, recordBytes(3, { value }).length));
  shipping.start();
  await shipping.until(({ acked }) => acked === 2);
  Deno.truncateSync(lane.openPath, size);
  lane.append(recordBytes(3, { value }));
  await shipping.until(({ acked }) => acked === 3);
  lane.end();
  await shipping.end();
  assert.equal(shipping.figures!.damagedBytes, 0);
});

Deno.test("StreamShipper counts segments that vanished as dropped, those it holds open not", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  using shipping = new Shipping({ send: () => released });
  const lane = new MadeLane(shipping.folder);
  const paths: string[] = [];
  for (let n = 0; n < 5; n++) {
    lane.write(300);
    paths.push(lane.close());
  }
  lane.write(300);
  shipping.start();
  await shipping.until(({ sent, inflight }) => sent === 1800 && inflight === 100);
  // the first one is being read
  for (const path of paths.slice(0, 3)) Deno.removeSync(path);
  release();
  const figures = await shipping.until(({ queued }) => queued === 0);
  assert.deepEqual([figures.acked, figures.dropped, figures.failed], [1200, 600, 0]);
  assert.deepEqual(shipping.taken, namesOf(lane, [...range(1, 300), ...range(901, 1800)]));
  lane.end();
  await shipping.end();
});

Deno.test("StreamShipper counts the rest of a lane as dropped when its folder was removed, and ships what comes then", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  using shipping = new Shipping({ send: () => released });
  const lane = new MadeLane(shipping.folder, Deno.pid);
  lane.write(100);
  lane.close();
  lane.write(100);
  lane.close();
  lane.write(100);
  shipping.start();
  await shipping.until(({ sent, inflight }) => sent === 300 && inflight === 100);
  Deno.removeSync(lane.folder, { recursive: true });
  release();
  await shipping.until(({ queued, acked, dropped }) => queued === 0 && acked + dropped === 300);
  lane.end();
  const before = shipping.figures!;
  await shipping.end();
  assert.equal(shipping.figures!.sent, before.sent);
});

Deno.test("StreamShipper ships a lane again that was counted and removed, and counts it once", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(10);
  lane.end();
  await shipAll(shipping);
  // its writer lives after all
  Deno.mkdirSync(lane.folder);
  using lock = Deno.openSync(join(lane.folder, "writer"), { create: true, write: true });
  lock.lockSync(true);
  lane.write(5);
  for (const total of [15, 18]) {
    const next = new Shipping({}, shipping.directory).start();
    await next.until(({ acked }) => acked === total);
    assert.equal(next.figures!.sent, total);
    lane.write(3);
    await next.until(({ acked }) => acked === total + 3);
    await next.end(50);
    if (total === 15) continue;
    assert.deepEqual(next.taken, namesOf(lane, range(19, 21)));
  }
});

const unreadable: Array<[string, (offset: number) => boolean]> = [
  ["a page in the middle", (offset) => offset === 8192],
  ["the first page", (offset) => offset === 0],
  ["all of it", () => true],
];
for (const [what, isBad] of unreadable) {
  Deno.test(`StreamShipper counts what the disk cannot read as failed and goes on: ${what}`, async () => {
    using shipping = new Shipping({ open: failingSegments(isBad, "0000000000000001-") });
    const lane = new MadeLane(shipping.folder);
    lane.write(1000);
    lane.close();
    lane.write(100);
    lane.close();
    lane.end();
    await shipAll(shipping);
    const { sent, acked, failed, damagedBytes } = shipping.figures!;
    assert.equal(sent, 1100);
    assert.equal(acked, shipping.taken.length);
    assert.ok(failed > 0 && damagedBytes >= 4096);
    assert.deepEqual(shipping.taken.slice(-100), namesOf(lane, range(1001, 1100)));
    assert.equal(new Set(shipping.taken).size, acked);
    if (what === "all of it") assert.equal(failed, 1000);
    else assert.ok(failed < 100, `${failed}`);
  });
}

/** Segments of the disk, of which pages cannot be read. */
function failingSegments(isBad: (page: number) => boolean, prefix: string): ShippingOptions["open"] {
  return (path) => {
    const file = openSegment(path);
    if (file === undefined || !path.includes(prefix)) return file;
    return {
      look: () => file.look(),
      close: () => file.close(),
      read(offset, length) {
        let end = offset;
        while (end < offset + length && !isBad(Math.floor(end / 4096) * 4096)) {
          end = Math.floor(end / 4096 + 1) * 4096;
        }
        return file.read(offset, Math.min(length, end - offset));
      },
    };
  };
}

Deno.test("StreamShipper goes on from the older cursor when the newer one is torn", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(100);
  shipping.start();
  await shipping.until(({ acked }) => acked === 100);
  lane.write(100);
  await shipping.until(({ acked }) => acked === 200);
  await shipping.end(50);
  const path = join(lane.folder, "cursor");
  const bytes = Deno.readFileSync(path);
  assert.equal(bytes.length, 128);
  const numbers = new DataView(bytes.buffer);
  const newest = numbers.getFloat64(8, true) > numbers.getFloat64(72, true) ? 0 : 64;
  bytes.fill(0, newest + 30, newest + 64);
  Deno.writeFileSync(path, bytes);
  lane.end();
  const next = new Shipping({}, shipping.directory);
  await shipAll(next);
  assert.equal(next.figures!.sent, 200);
  assert.equal(next.figures!.acked, 200);
  // only what the lost slot said is sent once more
  assert.ok(next.taken.length <= 100, `${next.taken.length}`);
});

Deno.test("StreamShipper does not count a lane twice when the end came between its totals and its removal", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(50);
  shipping.start();
  await shipping.until(({ acked }) => acked === 50);
  const kept = join(shipping.directory, "kept");
  Deno.mkdirSync(kept);
  for (const { name } of Deno.readDirSync(lane.folder)) {
    Deno.copyFileSync(join(lane.folder, name), join(kept, name));
  }
  lane.end();
  await shipping.end();
  Deno.renameSync(kept, lane.folder);
  const next = new Shipping({}, shipping.directory);
  await shipAll(next);
  assert.deepEqual([next.figures!.sent, next.figures!.acked, next.taken.length], [50, 50, 0]);
  assert.throws(() => Deno.statSync(lane.folder), Deno.errors.NotFound);
});

Deno.test("StreamShipper says that totals are damaged, keeps them and counts anew", async () => {
  using shipping = new Shipping();
  Deno.mkdirSync(shipping.folder);
  Deno.writeTextFileSync(join(shipping.folder, "totals"), '{"version":1,"sent":');
  const lane = new MadeLane(shipping.folder);
  lane.write(5);
  lane.end();
  await shipAll(shipping);
  assert.equal(shipping.figures!.sent, 5);
  assert.ok(Deno.statSync(join(shipping.folder, "totals.damaged")).isFile);
  assert.ok(shipping.lines.some(({ message }) => message.includes("totals of the stream are damaged")));
});

Deno.test("StreamShipper ships records longer than what it reads at once and than a batch, alone", async () => {
  const sizes: number[] = [];
  using shipping = new Shipping({
    send: (records) => void sizes.push(records.length),
    plan: { batch: { records: 100, bytes: 4096, wait: 1 } },
  });
  const lane = new MadeLane(shipping.folder);
  lane.write(2);
  lane.write(1, { value: new Uint8Array(3 << 20) });
  lane.write(2);
  lane.end();
  await shipAll(shipping);
  assert.deepEqual(shipping.taken, namesOf(lane, range(1, 5)));
  assert.deepEqual(sizes, [2, 1, 2]);
});

Deno.test("StreamShipper counts what a closed segment lost at its end, also all of it", async () => {
  for (const [more, acked] of [[-32, 0], [-12, 0], [0, 0], [5, 0], [5, 3], [0, 9]] as const) {
    using shipping = new Shipping();
    const lane = new MadeLane(shipping.folder);
    lane.write(10);
    const { size } = Deno.statSync(lane.openPath);
    // nine records have one digit, one has two
    const left = 32 + acked * ((size - 32 - 1) / 10) + more;
    Deno.truncateSync(lane.close(), left);
    lane.write(10);
    lane.end();
    await shipAll(shipping);
    const { figures } = shipping;
    assert.deepEqual(
      [figures!.sent, figures!.acked, figures!.failed],
      [20, acked + 10, 10 - acked],
      `${left} bytes left`,
    );
  }
});

Deno.test("StreamShipper ends a lane whose writer died before its first segment had a header", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.open();
  Deno.truncateSync(lane.openPath, 10);
  lane.end();
  await shipAll(shipping);
  const { sent, failed, lanes } = shipping.figures!;
  assert.deepEqual([sent, failed, lanes], [0, 0, 0]);
});

Deno.test("StreamShipper deletes segments on a disk too full for a cursor", async () => {
  const disk = Deno.makeTempDirSync({ prefix: "weir-full-" });
  const { success: mounted } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk],
  })
    .output().catch(() => ({ success: false }));
  try {
    const shipping = new Shipping({}, disk);
    const lane = new MadeLane(shipping.folder);
    for (let n = 0; n < 4; n++) {
      lane.write(100);
      lane.close();
    }
    Deno.writeTextFileSync(join(shipping.folder, "lock"), "");
    // without the right to mount, the disk is roomy, and nothing of this is hard
    if (mounted) fillUp(join(disk, "ballast"));
    shipping.start();
    await shipping.until(({ acked, queuedBytes }) => acked === 400 && queuedBytes === 0);
    lane.end();
    assert.equal(await shipping.end(), 0);
    const next = new Shipping({}, disk).start();
    assert.equal(await next.end(), 0);
    assert.deepEqual([next.figures!.sent, next.figures!.acked, next.taken.length], [400, 400, 0]);
  } finally {
    if (mounted) await new Deno.Command("umount", { args: ["-l", disk] }).output();
    Deno.removeSync(disk, { recursive: true });
  }
});

function fillUp(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch (error) {
    assert.match(String(error), /No space left/);
  }
}

Deno.test("StreamShipper goes on behind a segment that its living writer could not complete", async () => {
  using shipping = new Shipping();
  const lane = new MadeLane(shipping.folder);
  lane.write(10);
  shipping.start();
  await shipping.until(({ acked }) => acked === 10);
  for (const torn of [0, 20]) {
    lane.write(5);
    lane.append(recordBytes(lane.next, { value: new Uint8Array(50) }).subarray(0, torn));
    const left = lane.openPath;
    // the same lane goes on in a new file
    lane.leave();
    lane.write(10);
    const expected = lane.next - 1;
    await shipping.until(({ acked }) => acked === expected);
    await assert.doesNotReject(until(() => !exists(left)));
  }
  lane.end();
  await shipping.end();
  const { sent, failed, dropped, damagedBytes } = shipping.figures!;
  assert.deepEqual([sent, failed, dropped, damagedBytes], [40, 0, 0, 20]);
  assert.deepEqual(shipping.taken, namesOf(lane, range(1, 40)));
});

async function until(fact: () => boolean): Promise<void> {
  const from = performance.now();
  while (!fact()) {
    if (performance.now() - from > 20_000) throw new Error(`not within 20 s: ${fact}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
