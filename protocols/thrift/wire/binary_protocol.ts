/**
 * The binary protocol (thrift.apache.org, doc/specs/thrift-binary-protocol.md). All numbers are big endian.
 *
 * ```
 * message  = 80 01 00 type · string name · i32 seqid        strict
 *          | string name · type · i32 seqid                 as before 0.2
 * struct   = (type · i16 id · value)* 00
 * string   = i32 bytes · UTF-8          list, set = type · i32 size · value*
 * map      = type of keys · type of values · i32 size · (key · value)*
 * ```
 */
import { type MessageHead, Reader, Writer } from "./wire.ts";
import { TType } from "./ttype.ts";
import { WireError } from "./wire_error.ts";

/** First two bytes of a strict message. */
export const strictVersion = 0x8001;

/** Fewest bytes that a value of each type takes, by its number; 0: there is no such type. */
const leastBytes = [0, 0, 1, 1, 8, 0, 2, 0, 4, 0, 8, 4, 1, 6, 5, 5, 16];

/** Fewest bytes of a value of `type`. Throws WireError where there is no such type. */
export function leastBytesOf(type: number): number {
  return leastBytes[type] || missing(type);
}

function missing(type: number): never {
  throw new WireError(`there is no type ${type}`);
}

/** See the module's header. */
export class BinaryWriter extends Writer {
  readonly protocol = "binary";
  /** False for peers that speak as before 0.2. */
  strict = true;

  messageBegin(name: string, type: number, seqid: number): void {
    if (this.strict) this.i32((strictVersion << 16) | type);
    this.string(name);
    if (!this.strict) this.sink.byte(type);
    this.i32(seqid);
  }

  structBegin(): number {
    return 0;
  }

  structEnd(): void {}

  fieldBegin(type: number, id: number): void {
    const at = this.sink.reserve(3);
    const { bytes } = this.sink;
    bytes[at] = type;
    bytes[at + 1] = id >> 8;
    bytes[at + 2] = id;
  }

  boolField(id: number, value: boolean): void {
    this.fieldBegin(TType.bool, id);
    this.bool(value);
  }

  listBegin(type: number, size: number): void {
    this.sink.byte(type);
    this.i32(size);
  }

  mapBegin(keyType: number, valueType: number, size: number): void {
    this.sink.byte(keyType);
    this.sink.byte(valueType);
    this.i32(size);
  }

  bool(value: boolean): void {
    this.sink.byte(value ? 1 : 0);
  }

  i16(value: number): void {
    const at = this.sink.reserve(2);
    this.sink.view.setInt16(at, value);
  }

  i32(value: number): void {
    const at = this.sink.reserve(4);
    this.sink.view.setInt32(at, value);
  }

  i64(value: number | bigint): void {
    const at = this.sink.reserve(8);
    const { view } = this.sink;
    if (typeof value === "bigint") return view.setBigInt64(at, value);
    view.setInt32(at, Math.floor(value / 4294967296));
    view.setInt32(at + 4, value | 0);
  }

  double(value: number): void {
    const at = this.sink.reserve(8);
    this.sink.view.setFloat64(at, value);
  }

  string(value: string): void {
    const { sink } = this;
    const at = sink.reserve(4);
    if (sink.ascii(value)) return sink.view.setInt32(at, value.length);
    const written = sink.utf8(value);
    sink.view.setInt32(at, written);
  }

  binary(value: Uint8Array): void {
    this.i32(value.length);
    this.sink.raw(value);
  }
}

/** See the module's header. */
export class BinaryReader extends Reader {
  readonly protocol = "binary";

  messageBegin(head: MessageHead): void {
    const first = this.i32();
    if (first < 0) {
      if (first >>> 16 !== strictVersion) throw new WireError("a message of another version");
      head.type = first & 0xff;
      head.name = this.string();
    } else {
      this.at -= 4;
      head.name = this.string();
      head.type = this.i8();
    }
    head.seqid = this.i32();
  }

  structBegin(): number {
    return 0;
  }

  structEnd(): void {}

  fieldBegin(): number {
    const type = this.bytes[this.take(1)]!;
    if (type !== TType.stop) this.fieldId = this.i16();
    return type;
  }

  listBegin(): number {
    const type = this.elementType = this.bytes[this.take(1)]!;
    const size = this.i32();
    return size === 0 ? 0 : this.sized(size, leastBytesOf(type));
  }

  mapBegin(): number {
    const from = this.take(2);
    const key = this.keyType = this.bytes[from]!;
    const value = this.elementType = this.bytes[from + 1]!;
    const size = this.i32();
    return size === 0 ? 0 : this.sized(size, leastBytesOf(key) + leastBytesOf(value));
  }

  bool(): boolean {
    return this.bytes[this.take(1)] !== 0;
  }

  i16(): number {
    return this.view.getInt16(this.take(2));
  }

  i32(): number {
    return this.view.getInt32(this.take(4));
  }

  i64(): number | bigint {
    const at = this.take(8);
    const high = this.view.getInt32(at);
    // 2^53 is 2^21 times 2^32; the lowest number there is not safe any more.
    if (high >= -0x200000 && high < 0x200000) {
      const value = high * 4294967296 + this.view.getUint32(at + 4);
      if (value >= Number.MIN_SAFE_INTEGER) return value;
    }
    return this.view.getBigInt64(at);
  }

  double(): number {
    return this.view.getFloat64(this.take(8));
  }

  protected length(): number {
    return this.i32();
  }
}
