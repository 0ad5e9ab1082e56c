/**
 * The thrift side of a pool thread: message → handler → message. A thread is given nothing but the URL of its adapter,
 * so that URL says which service of which IDL it serves: `pool_adapter.ts?idl=…&service=…&health=…`.
 */
import type { Context } from "../../core/context.ts";
import { errorReply } from "./answer.ts";
import { applicationErrors } from "./application_exception.ts";
import { handlerOf, handlerService } from "./handler.ts";
import { loadService } from "./idl/load.ts";
import { ThriftRequest } from "./request.ts";
import { serviceCodec } from "./service_codec.ts";
import { BinaryReader } from "./wire/binary_protocol.ts";
import { CompactReader } from "./wire/compact_protocol.ts";
import { WireError } from "./wire/wire_error.ts";
import type { MessageHead } from "./wire/wire.ts";

const here = new URL(import.meta.url);
const readers = { binary: new BinaryReader(), compact: new CompactReader() };

/** The adapter of one service. */
export function adapterFor(idl: string, service: string, health: string | null): string {
  const url = new URL("./pool_adapter.ts", here);
  url.search = `${new URLSearchParams({ idl, service, ...(health === null ? {} : { health }) })}`;
  return url.href;
}

/** What a thread gets of a request: the message behind a byte that says how to read it and how to answer. */
export function packed(request: ThriftRequest): Uint8Array {
  const { mode, version, bytes } = request;
  const payload = new Uint8Array(bytes!.length + 1);
  payload[0] = (mode.protocol === "compact" ? 1 : 0) | (mode.strict ? 2 : 0) | (version << 2);
  payload.set(bytes!, 1);
  return payload;
}

/** See core/pool: called once per thread with the handler's export. */
export function make(
  handler: unknown,
): (payload: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array> {
  const { searchParams } = here;
  const service = serviceCodec(loadService(searchParams.get("idl")!, searchParams.get("service")));
  const health = searchParams.get("health");
  const serve = handlerService(
    handlerOf(handler, "the handler of a pool", service, health === null ? [] : [health]),
  );
  return (payload, context) => {
    const flags = payload[0]!;
    const mode = {
      protocol: flags & 1 ? "compact" : "binary",
      strict: (flags & 2) !== 0,
      framed: false,
    } as const;
    const version = flags >> 2;
    const reader = readers[mode.protocol];
    const head: MessageHead = { name: "", type: 0, seqid: 0 };
    reader.open(payload, 1, payload.length);
    reader.messageBegin(head);
    const method = service.methods.get(head.name)!;
    try {
      const args = method.args.read(reader);
      return serve(
        new ThriftRequest(mode, version, head.seqid, method, args, undefined, "", undefined),
        context,
      );
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return errorReply(
        { mode, version, ...head },
        applicationErrors.protocolError,
        `bad_request: ${error.message}`,
      );
    } finally {
      reader.close();
    }
  };
}
