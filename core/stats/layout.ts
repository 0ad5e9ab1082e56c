/**
 * The layout of the statistics memory: where every byte stands.
 *
 * ```
 * file   = header page · shared numbers · slot × n
 * header = i32 magic, version, slots, slotBytes, creator pid · i32 used[n] at byte 1024
 * shared = 2048 × 128 bytes: i32 state, value, nameLen, reserved · name; or a name of 48 bytes at most · i32 × 16
 * slot   = header page · strings · series directory · in-flight rows · connection rows · endpoint rows · upstream rows
 *          · loop rows · stream rows · cells
 * ```
 *
 * Every process that maps the file runs the same code, so sizes are constants; the version is checked on opening and
 * is raised with any change here. Numbers are little-endian, as on every platform the runtime exists for.
 */

/** "WEIR" in little-endian bytes. */
export const magic = 0x52494557;
export const layoutVersion = 4;

export const fileHeaderBytes = 4096;
export const maxSlots = 256;
/** Byte offset in the file header of the i32 flags "this slot was written once". */
export const usedFlagsAt = 1024;

export const sharedEntries = 2048;
export const sharedEntryBytes = 128;
export const sharedBytes = sharedEntries * sharedEntryBytes;

/** Slot header, indexes into the slot's Int32Array. Strings of the header stand behind the numbers. */
export const slotI32 = {
  magic: 0,
  pid: 1,
  state: 2,
  generation: 3,
  seriesCount: 4,
  cellsUsed: 5,
  stringCount: 6,
  inflightHigh: 7,
  inflightCount: 8,
  connectionHigh: 9,
  connectionCount: 10,
  textSequence: 11,
  endpointHigh: 12,
  upstreamHigh: 13,
  loopHigh: 14,
  streamHigh: 15,
} as const;

/** Slot header, indexes into the slot's Float64Array (bytes 128 and up). */
export const slotF64 = {
  startedAt: 16,
  beats: 17,
  beatAt: 18,
  loopDelayMs: 19,
  loopDelayMaxMs: 20,
  markedAt: 21,
  lastRequestId: 22,
  pidStart: 23,
  writers: 24,
} as const;

/** Texts in the slot header: byte offset of the i32 length, byte offset of the text, most bytes. */
export const slotText = {
  role: { lengthAt: 256, at: 260, maxBytes: 28 },
  id: { lengthAt: 288, at: 292, maxBytes: 60 },
  mark: { lengthAt: 352, at: 356, maxBytes: 252 },
} as const;

export const slotHeaderBytes = 4096;

export const maxStrings = 256;
export const stringBytes = 64;
export const stringsAt = slotHeaderBytes;

export const maxSeries = 1024;
export const seriesBytes = 384;
export const directoryAt = stringsAt + maxStrings * stringBytes;
/** Fields of a directory entry, i32 indexes from its start; the texts stand behind them. */
export const seriesI32 = {
  kind: 0,
  unit: 1,
  cell: 2,
  merge: 3,
  nameLen: 4,
  labelsLen: 5,
  helpLen: 6,
} as const;
export const seriesText = {
  name: { at: 32, maxBytes: 72 },
  labels: { at: 104, maxBytes: 168 },
  help: { at: 272, maxBytes: 112 },
} as const;

export const maxInflight = 4096;
export const inflightBytes = 192;
export const inflightAt = directoryAt + maxSeries * seriesBytes;
/** Fields of an in-flight row: i32 indexes, f64 indexes and byte offsets from its start. */
export const inflightRow = {
  sequence: 0,
  listener: 1,
  phase: 2,
  connection: 3,
  textLen: 4,
  markLen: 5,
  id: 4,
  startedAt: 5,
  markedAt: 6,
  text: 64,
  mark: 128,
  textBytes: 64,
} as const;

export const maxConnections = 8192;
export const connectionBytes = 128;
export const connectionsAt = inflightAt + maxInflight * inflightBytes;
/** Fields of a connection row: i32 indexes, f64 indexes and byte offsets from its start. */
export const connectionRow = {
  sequence: 0,
  listener: 1,
  phase: 2,
  tls: 3,
  peerLen: 4,
  open: 5,
  openedAt: 3,
  activeAt: 4,
  requests: 5,
  bytesIn: 6,
  bytesOut: 7,
  peer: 64,
  peerBytes: 64,
} as const;

export const maxEndpoints = 512;
export const endpointBytes = 384;
export const endpointsAt = connectionsAt + maxConnections * connectionBytes;
/** Fields of a row of the endpoints: i32 indexes, f64 indexes and byte offsets from its start. */
export const endpointRow = {
  sequence: 0,
  upstream: 1,
  live: 2,
  state: 3,
  priority: 4,
  inflight: 5,
  idle: 6,
  busy: 7,
  waiters: 8,
  addressLen: 9,
  roleLen: 10,
  causeLen: 11,
  until: 6,
  weight: 7,
  ewmaMs: 8,
  attempts: 9,
  failures: 10,
  oldestMs: 11,
  address: 96,
  addressBytes: 112,
  role: 208,
  roleBytes: 48,
  cause: 256,
  causeBytes: 128,
} as const;

export const maxUpstreams = 128;
export const upstreamBytes = 352;
export const upstreamsAt = endpointsAt + maxEndpoints * endpointBytes;
/** Fields of a row of the upstreams: i32 indexes, f64 indexes and byte offsets from its start. */
export const upstreamRow = {
  sequence: 0,
  upstream: 1,
  live: 2,
  cached: 3,
  panic: 4,
  throttleInflight: 5,
  throttleWaiting: 6,
  sourceLen: 7,
  errorLen: 8,
  breakersLen: 9,
  updatedAt: 5,
  retryLeft: 6,
  source: 64,
  sourceBytes: 64,
  error: 128,
  errorBytes: 96,
  breakers: 224,
  breakersBytes: 128,
} as const;

export const maxLoops = 128;
export const loopBytes = 352;
export const loopsAt = upstreamsAt + maxUpstreams * upstreamBytes;
/** Fields of a row of the loops: i32 indexes, f64 indexes and byte offsets from its start. */
export const loopRow = {
  sequence: 0,
  loop: 1,
  live: 2,
  state: 3,
  failures: 4,
  errorLen: 5,
  runs: 3,
  errors: 4,
  startedAt: 5,
  durationMs: 6,
  nextAt: 7,
  errorAt: 8,
  error: 96,
  errorBytes: 256,
} as const;

export const maxStreams = 128;
export const streamBytes = 928;
export const streamsAt = loopsAt + maxLoops * loopBytes;
/**
 * A row of the streams: i32 sequence (0 = never written) in 16 bytes, then two copies of the figures. What a writer says
 * for the nth time stands in copy n mod 2 and is there when the sequence is n.
 */
export const streamCopiesAt = 16;
export const streamCopyBytes = 456;
/** Fields of one copy: i32 indexes, f64 indexes and byte offsets from its start. */
export const streamCopy = {
  state: 0,
  nameLen: 1,
  errorLen: 2,
  pid: 3,
  startedAt: 2,
  sent: 3,
  acked: 4,
  failed: 5,
  dropped: 6,
  queued: 7,
  queuedBytes: 8,
  oldestAt: 9,
  inflight: 10,
  retries: 11,
  lanes: 12,
  damagedBytes: 13,
  ackedAt: 14,
  at: 15,
  errorAt: 16,
  name: 136,
  nameBytes: 64,
  error: 200,
  errorBytes: 256,
} as const;

export const cellsAt = streamsAt + maxStreams * streamBytes;
export const cellsBytes = 3 * 1024 * 1024;
export const slotBytes = cellsAt + cellsBytes;

/** Bytes of a whole file with `slots` slots. It is sparse: only what was written takes memory. */
export function fileBytes(slots: number): number {
  return fileHeaderBytes + sharedBytes + slots * slotBytes;
}

/** The three views of one slot; indexes count from the start of the slot. */
export interface SlotViews {
  readonly bytes: Uint8Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
}

/** Views of `bytes` bytes of a buffer from `offset` (a multiple of 8). */
export function viewsOf(buffer: ArrayBufferLike, offset: number, bytes: number): SlotViews {
  return {
    bytes: new Uint8Array(buffer, offset, bytes),
    i32: new Int32Array(buffer, offset, bytes / 4),
    f64: new Float64Array(buffer, offset, bytes / 8),
  };
}
