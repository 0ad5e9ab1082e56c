/**
 * The compact protocol (thrift.apache.org, doc/specs/thrift-compact-protocol.md). Integers are zigzag varints, lengths,
 * sizes and the seqid plain varints, doubles little endian.
 *
 * ```
 * message  = 82 · type << 5 | 1 · varint seqid · string name
 * struct   = (delta of id << 4 | type, or type · zigzag id; value)* 00      bools: the value is the type, 1 or 2
 * string   = varint bytes · UTF-8
 * list,set = size << 4 | type, or f0 | type · varint size; value*           bools: a byte, 1 or 2
 * map      = 00, or varint size · type of keys << 4 | type of values · (key · value)*
 * ```
 */
import { type MessageHead, Reader, Writer } from "./wire.ts";
import { TType } from "./ttype.ts";
import { WireError } from "./wire_error.ts";

/** First byte of every message. */
export const compactVersion = 0x82;

/** Types of this protocol by those of the binary one, and back; 0: there is no such type. */
const compactOf = [0, 0, 1, 3, 7, 0, 4, 0, 5, 0, 6, 8, 12, 11, 10, 9, 13];
const typeOf = [0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12, 16];

/** The type that compact type `compact` is. Throws WireError where it is none. */
export function fromCompact(compact: number): number {
  const type = typeOf[compact];
  if (!type) throw new WireError(`there is no type ${compact}`);
  return type;
}

/** See the module's header. */
export class CompactWriter extends Writer {
  readonly protocol = "compact";
  #lastId = 0;

  messageBegin(name: string, type: number, seqid: number): void {
    this.sink.byte(compactVersion);
    this.sink.byte((type << 5) | 1);
    this.#varint(seqid >>> 0);
    this.string(name);
    this.#lastId = 0;
  }

  structBegin(): number {
    const last = this.#lastId;
    this.#lastId = 0;
    return last;
  }

  structEnd(state: number): void {
    this.#lastId = state;
  }

  fieldBegin(type: number, id: number): void {
    this.#field(compactOf[type]!, id);
  }

  boolField(id: number, value: boolean): void {
    this.#field(value ? 1 : 2, id);
  }

  #field(compact: number, id: number): void {
    const delta = id - this.#lastId;
    this.#lastId = id;
    if (delta > 0 && delta < 16) return this.sink.byte((delta << 4) | compact);
    this.sink.byte(compact);
    this.i16(id);
  }

  listBegin(type: number, size: number): void {
    const compact = compactOf[type]!;
    if (size < 15) return this.sink.byte((size << 4) | compact);
    this.sink.byte(0xf0 | compact);
    this.#varint(size);
  }

  mapBegin(keyType: number, valueType: number, size: number): void {
    this.#varint(size);
    if (size > 0) this.sink.byte((compactOf[keyType]! << 4) | compactOf[valueType]!);
  }

  bool(value: boolean): void {
    this.sink.byte(value ? 1 : 2);
  }

  i16(value: number): void {
    this.i32(value);
  }

  i32(value: number): void {
    this.#varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** In halves of 32 bits: bigints in a loop would take a microsecond. */
  i64(value: number | bigint): void {
    let high, low;
    if (typeof value === "bigint") {
      scratch.setBigInt64(0, value);
      high = scratch.getInt32(0);
      low = scratch.getInt32(4);
    } else {
      if (value >= -0x40000000 && value < 0x40000000) return this.i32(value);
      high = Math.floor(value / 4294967296);
      low = value | 0;
    }
    const sign = high >> 31;
    high = ((high << 1) | (low >>> 31)) ^ sign;
    low = (low << 1) ^ sign;
    const { sink } = this;
    while (high !== 0 || low >>> 0 > 127) {
      sink.byte((low & 127) | 128);
      low = (low >>> 7) | (high << 25);
      high >>>= 7;
    }
    sink.byte(low);
  }

  double(value: number): void {
    const at = this.sink.reserve(8);
    this.sink.view.setFloat64(at, value, true);
  }

  string(value: string): void {
    const { sink } = this;
    const at = sink.length;
    // One byte of length is right for nearly all short texts.
    if (value.length < 128) {
      sink.byte(value.length);
      if (sink.ascii(value)) return;
      sink.length = at;
    }
    const bytes = encoder.encode(value);
    this.binary(bytes);
  }

  binary(value: Uint8Array): void {
    this.#varint(value.length);
    this.sink.raw(value);
  }

  #varint(value: number): void {
    const { sink } = this;
    let rest = value;
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) sink.byte((rest % 128) | 0x80);
    for (; rest > 127; rest >>>= 7) sink.byte((rest & 127) | 0x80);
    sink.byte(rest);
  }
}

const encoder = new TextEncoder();
const scratch = new DataView(new ArrayBuffer(8));

/** What two halves of 32 bits mean: a number where it is safe. */
function unzigzag(high: number, low: number): number | bigint {
  const sign = -(low & 1);
  low = ((low >>> 1) | (high << 31)) ^ sign;
  high = (high >>> 1) ^ sign;
  if (high >= -0x200000 && high < 0x200000) {
    const value = high * 4294967296 + (low >>> 0);
    if (value >= Number.MIN_SAFE_INTEGER) return value;
  }
  scratch.setInt32(0, high);
  scratch.setInt32(4, low);
  return scratch.getBigInt64(0);
}

/** See the module's header. */
export class CompactReader extends Reader {
  readonly protocol = "compact";
  #lastId = 0;
  /** Value of the bool whose field was begun; -1 where the next bool is a byte of its own. */
  #bool = -1;

  override open(bytes: Uint8Array, from: number, to: number, view?: DataView<ArrayBufferLike>): void {
    super.open(bytes, from, to, view);
    this.#lastId = 0;
    this.#bool = -1;
  }

  messageBegin(head: MessageHead): void {
    const from = this.take(2);
    if (this.bytes[from] !== compactVersion || (this.bytes[from + 1]! & 0x1f) !== 1) {
      throw new WireError("a message of another version");
    }
    head.type = this.bytes[from + 1]! >> 5;
    head.seqid = this.#varint() | 0;
    head.name = this.string();
    this.#lastId = 0;
  }

  structBegin(): number {
    const last = this.#lastId;
    this.#lastId = 0;
    return last;
  }

  structEnd(state: number): void {
    this.#lastId = state;
  }

  fieldBegin(): number {
    const byte = this.bytes[this.take(1)]!;
    if (byte === 0) return TType.stop;
    const compact = byte & 15;
    const delta = byte >> 4;
    const id = delta === 0 ? this.i16() : this.#lastId + delta;
    if (id > 32767) throw new WireError("the number of a field is too large");
    this.fieldId = this.#lastId = id;
    if (compact === 1 || compact === 2) this.#bool = compact;
    return fromCompact(compact);
  }

  listBegin(): number {
    const byte = this.bytes[this.take(1)]!;
    const size = byte >> 4 === 15 ? this.#varint() : byte >> 4;
    // What an empty list would hold does not matter.
    this.elementType = size === 0 ? 0 : fromCompact(byte & 15);
    return this.sized(size, 1);
  }

  mapBegin(): number {
    const size = this.#varint();
    if (size === 0) {
      this.keyType = this.elementType = 0;
      return 0;
    }
    const types = this.bytes[this.take(1)]!;
    this.keyType = fromCompact(types >> 4);
    this.elementType = fromCompact(types & 15);
    return this.sized(size, 2);
  }

  bool(): boolean {
    const value = this.#bool;
    if (value < 0) return this.bytes[this.take(1)] === 1;
    this.#bool = -1;
    return value === 1;
  }

  i16(): number {
    return (this.i32() << 16) >> 16;
  }

  i32(): number {
    const value = this.#varint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** In pieces of 28 bits, of which two make a half of 32 and the rest. */
  i64(): number | bigint {
    const { bytes } = this;
    let least = 0, middle = 0, most = 0;
    for (let count = 0; count < 10; count++) {
      const byte = bytes[this.take(1)]!;
      const bits = byte & 127;
      if (count < 4) least |= bits << (count * 7);
      else if (count < 8) middle |= bits << (count * 7 - 28);
      else most |= bits << (count * 7 - 56);
      if (byte < 128) return unzigzag((middle >>> 4) | (most << 24), least | (middle << 28));
    }
    throw new WireError("a number of more than ten bytes");
  }

  double(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  protected length(): number {
    return this.#varint();
  }

  /** An unsigned number of 32 bits. */
  #varint(): number {
    const { bytes } = this;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[this.take(1)]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw new WireError("a number of more than five bytes");
  }
}
