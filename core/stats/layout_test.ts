import assert from "node:assert/strict";
import * as layout from "./layout.ts";

Deno.test("the regions of a slot follow one another on page boundaries, without gap or overlap", () => {
  const { slotHeaderBytes, stringsAt, directoryAt, inflightAt, connectionsAt, cellsAt, slotBytes } = layout;
  const { endpointsAt, upstreamsAt, loopsAt, streamsAt } = layout;
  const regions = [
    slotHeaderBytes,
    directoryAt,
    inflightAt,
    connectionsAt,
    endpointsAt,
    upstreamsAt,
    loopsAt,
    streamsAt,
    cellsAt,
    slotBytes,
  ];
  assert.equal(stringsAt, slotHeaderBytes);
  regions.forEach((at, n) => {
    assert.equal(at % 4096, 0, `region ${n}`);
    if (n > 0) assert.ok(at > regions[n - 1]!, `region ${n}`);
  });
});

Deno.test("fields of headers and rows stand on bytes of their own", () => {
  const apart = (name: string, size: number, fields: Array<[at: number, bytes: number]>) => {
    const taken = new Set<number>();
    for (const [at, bytes] of fields) {
      for (let byte = at; byte < at + bytes; byte++) {
        assert.ok(byte < size && !taken.has(byte), `${name}: byte ${byte}`);
        taken.add(byte);
      }
    }
  };
  const i32 = (...at: number[]) => at.map((i): [number, number] => [i * 4, 4]);
  const f64 = (...at: number[]) => at.map((i): [number, number] => [i * 8, 8]);
  const { slotI32, slotF64, slotText, inflightRow: q, connectionRow: c, seriesI32, seriesText } = layout;
  apart("slot", layout.slotHeaderBytes, [
    ...i32(...Object.values(slotI32)),
    ...f64(...Object.values(slotF64)),
    ...Object.values(slotText).flatMap(({ lengthAt, at, maxBytes }): Array<[number, number]> => [
      [lengthAt, 4],
      [at, maxBytes],
    ]),
  ]);
  apart("request", layout.inflightBytes, [
    ...i32(q.sequence, q.listener, q.phase, q.connection, q.textLen, q.markLen),
    ...f64(q.id, q.startedAt, q.markedAt),
    [q.text, q.textBytes],
    [q.mark, q.textBytes],
  ]);
  apart("connection", layout.connectionBytes, [
    ...i32(c.sequence, c.listener, c.phase, c.tls, c.peerLen, c.open),
    ...f64(c.openedAt, c.activeAt, c.requests, c.bytesIn, c.bytesOut),
    [c.peer, c.peerBytes],
  ]);
  const { endpointRow: e, upstreamRow: u, loopRow: l } = layout;
  apart("endpoint", layout.endpointBytes, [
    ...i32(e.sequence, e.upstream, e.live, e.state, e.priority, e.inflight, e.idle, e.busy, e.waiters),
    ...i32(e.addressLen, e.roleLen, e.causeLen),
    ...f64(e.until, e.weight, e.ewmaMs, e.attempts, e.failures, e.oldestMs),
    [e.address, e.addressBytes],
    [e.role, e.roleBytes],
    [e.cause, e.causeBytes],
  ]);
  apart("upstream", layout.upstreamBytes, [
    ...i32(u.sequence, u.upstream, u.live, u.cached, u.panic, u.throttleInflight, u.throttleWaiting),
    ...i32(u.sourceLen, u.errorLen, u.breakersLen),
    ...f64(u.updatedAt, u.retryLeft),
    [u.source, u.sourceBytes],
    [u.error, u.errorBytes],
    [u.breakers, u.breakersBytes],
  ]);
  apart("loop", layout.loopBytes, [
    ...i32(l.sequence, l.loop, l.live, l.state, l.failures, l.errorLen),
    ...f64(l.runs, l.errors, l.startedAt, l.durationMs, l.nextAt, l.errorAt),
    [l.error, l.errorBytes],
  ]);
  const { streamCopy: s } = layout;
  apart("copy of a stream's figures", layout.streamCopyBytes, [
    ...i32(s.state, s.nameLen, s.errorLen, s.pid),
    ...f64(
      s.startedAt,
      s.sent,
      s.acked,
      s.failed,
      s.dropped,
      s.queued,
      s.queuedBytes,
      s.oldestAt,
      s.inflight,
    ),
    ...f64(s.retries, s.lanes, s.damagedBytes, s.ackedAt, s.at, s.errorAt),
    [s.name, s.nameBytes],
    [s.error, s.errorBytes],
  ]);
  assert.ok(layout.streamCopiesAt + 2 * layout.streamCopyBytes <= layout.streamBytes);
  assert.deepEqual([layout.streamCopiesAt % 8, layout.streamCopyBytes % 8, layout.streamBytes % 8], [
    0,
    0,
    0,
  ]);
  apart("series", layout.seriesBytes, [
    ...i32(...Object.values(seriesI32)),
    ...Object.values(seriesText).map(({ at, maxBytes }): [number, number] => [at, maxBytes]),
  ]);
});

Deno.test("viewsOf() gives views that begin at the offset", () => {
  const { bytes, i32, f64 } = layout.viewsOf(new ArrayBuffer(64), 16, 32);
  f64[1] = 1;
  assert.deepEqual([bytes.length, i32.length, f64.length, bytes.byteOffset], [32, 8, 4, 16]);
  assert.equal(i32[3], 0x3ff00000);
});
