/** A call as a listener took it from its connection. */
import type { RequestInfo } from "../../core/context.ts";
import type { Answerable } from "./answer.ts";
import type { MethodCodec } from "./service_codec.ts";
import { requestOf } from "./tracking.ts";
import type { Fields } from "./wire/struct_codec.ts";
import type { Mode } from "./wire/transport.ts";

/** See the module's header. */
export class ThriftRequest implements Answerable {
  readonly mode: Mode;
  readonly version: number;
  readonly seqid: number;
  readonly method: MethodCodec;
  /** By name. Undefined where {@link bytes} are. */
  readonly args: Fields | undefined;
  /** The message, for threads that read it themselves. */
  readonly bytes: Uint8Array | undefined;
  /** Name that the client gave itself in its handshake; empty where it gave none. */
  readonly client: string;
  readonly #header: Fields | undefined;

  constructor(
    mode: Mode,
    version: number,
    seqid: number,
    method: MethodCodec,
    args: Fields | undefined,
    bytes: Uint8Array | undefined,
    client: string,
    header: Fields | undefined,
  ) {
    this.mode = mode;
    this.version = version;
    this.seqid = seqid;
    this.method = method;
    this.args = args;
    this.bytes = bytes;
    this.client = client;
    this.#header = header;
  }

  get name(): string {
    return this.method.name;
  }

  /** What tracking says of it. */
  identify(): Partial<RequestInfo> {
    const { client } = this;
    return this.#header ? { ...requestOf(this.#header), client } : { client };
  }
}
