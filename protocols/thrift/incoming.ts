/**
 * The messages of one connection as they come in: cut, their tracking headers read, the handshake answered, methods
 * looked up, arguments read. Keeps what tracking remembers of a connection. Does no I/O and calls nobody.
 */
import type { Reason } from "../../core/reasons.ts";
import { type Answerable, errorReply, nothing, writerFor } from "./answer.ts";
import { applicationErrors } from "./application_exception.ts";
import { ThriftRequest } from "./request.ts";
import type { ServiceCodec } from "./service_codec.ts";
import { handshakeMethod, negotiated, requestHeader, upgradeArgs, upgradeReply } from "./tracking.ts";
import { BinaryReader } from "./wire/binary_protocol.ts";
import { CompactReader } from "./wire/compact_protocol.ts";
import type { Fields } from "./wire/struct_codec.ts";
import { MessageCutter } from "./wire/transport.ts";
import { MessageType } from "./wire/ttype.ts";
import type { MessageHead, Reader } from "./wire/wire.ts";
import { WireError } from "./wire/wire_error.ts";

/** What connections are read with. */
export interface IncomingSetup {
  readonly service: ServiceCodec;
  readonly maxBytes: number;
  readonly tracking: boolean;
  readonly pooled: boolean;
}

const readers = { binary: new BinaryReader(), compact: new CompactReader() };
const printable = /^[\x21-\x7e]{1,128}$/;

/** See the module's header. */
export class IncomingMessages {
  readonly cutter: MessageCutter;
  /** Version of tracking that is spoken: 0 before the handshake. */
  version = 0;
  /** Head of the message that was read last, where it could be read. */
  lastHead: Answerable | undefined;
  /** Why the message that was read last is answered with an error, and what is said of it; undefined where it is not. */
  refusal: Reason | undefined;
  text = "";
  readonly #setup: IncomingSetup;
  readonly #head: MessageHead = { name: "", type: 0, seqid: 0 };
  #client = "";

  constructor(setup: IncomingSetup) {
    this.#setup = setup;
    this.cutter = new MessageCutter(setup.maxBytes);
  }

  /**
   * The next call; or the bytes that answer it, empty where it wants no answer; or undefined where no further message is
   * complete. Throws WireError where the stream makes no sense from here on.
   */
  next(): ThriftRequest | Uint8Array | undefined {
    const { cutter } = this;
    this.refusal = undefined;
    this.lastHead = undefined;
    if (!cutter.next(this.version > 0)) return undefined;
    const reader = readers[cutter.mode!.protocol];
    reader.open(cutter.bytes, cutter.from, cutter.to, cutter.view);
    try {
      return this.#message(reader);
    } finally {
      reader.close();
    }
  }

  #message(reader: Reader): ThriftRequest | Uint8Array {
    const { tracking, service, pooled } = this.#setup;
    const mode = this.cutter.mode!;
    const header = this.version > 0 ? requestHeader.read(reader) : undefined;
    const from = reader.at;
    const head = this.#head;
    reader.messageBegin(head);
    const { name, type, seqid } = head;
    const to: Answerable = { mode, version: this.version, seqid, name };
    if (type !== MessageType.call && type !== MessageType.oneway) {
      throw new WireError("a message that is no call");
    }
    this.lastHead = to;
    if (tracking && this.version === 0 && name === handshakeMethod) return this.#handshake(reader, to);
    const method = service.methods.get(name);
    if (!method) return this.#unknown(to, type);
    try {
      if (pooled) {
        const bytes = reader.bytes.slice(from, this.cutter.to);
        return new ThriftRequest(mode, this.version, seqid, method, undefined, bytes, this.#client, header);
      }
      const args = method.args.read(reader);
      if (reader.at !== this.cutter.to) throw new WireError("there is more behind the message");
      return new ThriftRequest(mode, this.version, seqid, method, args, undefined, this.#client, header);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refusal = error.tooLarge ? "body_too_large" : "bad_request";
      this.text = `${name}: ${error.message}`;
      if (method.oneway) return nothing;
      return errorReply(to, applicationErrors.protocolError, `${this.refusal}: ${error.message}`);
    }
  }

  #unknown(to: Answerable, type: number): Uint8Array {
    this.refusal = "no_route";
    this.text = `${to.name}: no such method`;
    if (type === MessageType.oneway) return nothing;
    return errorReply(to, applicationErrors.unknownMethod, `Unknown method ${to.name}`);
  }

  /** The reply itself has no header: the other side does not know yet what will be spoken. */
  #handshake(reader: Reader, to: Answerable): Uint8Array {
    const { app_id: client, version: theirs }: Fields = upgradeArgs.read(reader);
    const { version, reply } = negotiated(theirs);
    this.version = version;
    if (typeof client === "string" && printable.test(client)) this.#client = client;
    const writer = writerFor(to.mode);
    writer.messageBegin(to.name, MessageType.reply, to.seqid);
    upgradeReply.write(writer, reply);
    return writer.sink.copy();
  }
}
