/**
 * A reader of spools that knows nothing of the code under test but the format that record_codec.ts describes: numbers by
 * hand, checksums bit by bit.
 */

export interface ReadRecord {
  sequence: number;
  timestamp: number;
  key: string | null;
  headers: Record<string, string>;
  value: Uint8Array;
  text: string;
}

export interface ReadSegment {
  file: string;
  open: boolean;
  first: number;
  last: number;
  epochMs: number;
  bytes: number;
  records: ReadRecord[];
  /** Bytes behind the last whole record. */
  torn: number;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = table[(sum ^ byte) & 255]! ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** Segments of a lane in their order; throws where one is not what the format says. */
export function readLane(folder: string): ReadSegment[] {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
    /\.(open|seg)$/.test(name)
  );
  return files.sort().map((file) => readSegment(folder, file));
}

/** All lanes of a stream's folder by name. */
export function readLanes(folder: string): Map<string, ReadSegment[]> {
  const lanes = [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory).map(({ name }) => name)
    .sort();
  return new Map(lanes.map((lane) => [lane, readLane(`${folder}/${lane}`)]));
}

/** Records of a lane; throws where numbers are missing or doubled, or anything but the end of the last segment is torn. */
export function recordsOf(segments: ReadSegment[], from = 1): ReadRecord[] {
  const records: ReadRecord[] = [];
  let next = from;
  segments.forEach((segment, index) => {
    if (segment.first !== next) throw new Error(`${segment.file} begins with ${segment.first}, not ${next}`);
    if (segment.torn > 0 && index < segments.length - 1) {
      throw new Error(`${segment.file}: ${segment.torn} bytes torn`);
    }
    for (const record of segment.records) {
      if (record.sequence !== next) {
        throw new Error(`${segment.file}: ${record.sequence} where ${next} ought to be`);
      }
      next++;
    }
    if (!segment.open && segment.last !== next - 1) throw new Error(`${segment.file} ends with ${next - 1}`);
    records.push(...segment.records);
  });
  return records;
}

function readSegment(folder: string, file: string): ReadSegment {
  const bytes = Deno.readFileSync(`${folder}/${file}`);
  const view = new DataView(bytes.buffer);
  const name = /^(\d{16})(?:-(\d{16})\.seg|\.open)$/.exec(file);
  if (!name) throw new Error(`${file}: not the name of a segment`);
  if (new TextDecoder().decode(bytes.subarray(0, 8)) !== "WEIRSPL1") {
    throw new Error(`${file}: not a segment`);
  }
  const first = Number(view.getBigUint64(8, true));
  if (first !== Number(name[1])) throw new Error(`${file}: its header says ${first}`);
  if (view.getUint32(24, true) !== checksum(bytes.subarray(0, 24))) {
    throw new Error(`${file}: checksum of the header`);
  }
  const records: ReadRecord[] = [];
  let at = 32;
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at, true);
    if (at + 8 + length > bytes.length) break;
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (view.getUint32(at + 4, true) !== checksum(body)) {
      throw new Error(`${file}: checksum of the record at ${at}`);
    }
    records.push(readBody(body));
    at += 8 + length;
  }
  return {
    file,
    open: name[2] === undefined,
    first,
    last: Number(name[2] ?? 0),
    epochMs: view.getFloat64(16, true),
    bytes: bytes.length,
    records,
    torn: bytes.length - at,
  };
}

function readBody(body: Uint8Array): ReadRecord {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const text = (from: number, to: number) => new TextDecoder().decode(body.subarray(from, to));
  const keyLength = view.getUint16(16, true);
  const keyEnd = 20 + (keyLength === 0xffff ? 0 : keyLength);
  const headersEnd = keyEnd + view.getUint16(18, true);
  const headers: Record<string, string> = {};
  for (let at = keyEnd; at < headersEnd;) {
    const nameEnd = at + 1 + body[at]!;
    const textEnd = nameEnd + 2 + view.getUint16(nameEnd, true);
    headers[text(at + 1, nameEnd)] = text(nameEnd + 2, textEnd);
    at = textEnd;
  }
  return {
    sequence: Number(view.getBigUint64(0, true)),
    timestamp: view.getFloat64(8, true),
    key: keyLength === 0xffff ? null : text(20, keyEnd),
    headers,
    value: body.subarray(headersEnd),
    text: text(headersEnd, body.length),
  };
}
