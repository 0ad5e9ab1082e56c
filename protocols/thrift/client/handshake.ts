/**
 * The handshake of tracking on a new connection: a call of a method that nobody has. Who has it answers with a version;
 * who has not says so, and is spoken to without headers. Who closes the connection over it instead is remembered, and
 * not asked on the next one.
 */
import type { Endpoint } from "../../../core/endpoint.ts";
import type { ByteStream } from "../../../core/protocol.ts";
import type { SessionHost } from "../../../core/upstream/contract.ts";
import { UpstreamError } from "../../../core/upstream_error.ts";
import { writerFor } from "../answer.ts";
import { applicationErrors, applicationException } from "../application_exception.ts";
import { framed, unframed } from "../stream_framing.ts";
import { handshakeMethod, trackingVersion, upgradeArgs, upgradeReply } from "../tracking.ts";
import type { MessageCutter } from "../wire/transport.ts";
import { MessageType } from "../wire/ttype.ts";
import type { MessageHead, Reader } from "../wire/wire.ts";
import { WireError } from "../wire/wire_error.ts";
import { encode } from "../../frames/framing.ts";

/** What a handshake needs of its host. */
export type HandshakeHost = Pick<SessionHost, "upstream" | "endpoint" | "plan" | "service" | "log">;

/** Endpoints that close connections over a handshake. */
const deaf = new WeakSet<Endpoint>();

/** The version that is spoken from now on, 0 for none. Rejects with UpstreamError (`connect`, `protocol`). */
export async function shakeHands(
  stream: ByteStream,
  host: HandshakeHost,
  cutter: MessageCutter,
  reader: Reader,
): Promise<number> {
  const { endpoint, plan } = host;
  const { tracking, client } = plan.thrift!;
  if (!tracking || deaf.has(endpoint)) return 0;
  const mode = cutter.mode!;
  const writer = writerFor(mode);
  writer.messageBegin(handshakeMethod, MessageType.call, 0);
  upgradeArgs.write(writer, { app_id: client ?? host.service, version: trackingVersion });
  const message = writer.sink.copy();
  const framing = mode.framed ? framed : unframed;
  const bytes = new Uint8Array(message.length + framing.overheadBytes);
  encode(framing, message, bytes, 0);
  try {
    for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
    while (!cutter.next(false)) {
      const count = await stream.read(cutter.room());
      if (count === null) throw new Deno.errors.ConnectionReset("closed");
      cutter.filled(count);
    }
    return answered(cutter, reader);
  } catch (error) {
    if (error instanceof WireError) throw failed(host, "protocol", error.message, error);
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
      deaf.add(endpoint);
      host.log.info("the endpoint closes connections over the handshake of tracking: it is called without", {
        endpoint: endpoint.spec.address,
      });
      throw failed(host, "connect", "it closed the connection over the handshake", error);
    }
    throw error;
  }
}

function answered(cutter: MessageCutter, reader: Reader): number {
  const head: MessageHead = { name: "", type: 0, seqid: 0 };
  reader.open(cutter.bytes, cutter.from, cutter.to, cutter.view);
  try {
    reader.messageBegin(head);
    if (head.type === MessageType.reply) {
      const { version } = upgradeReply.read(reader);
      // Versions only rise, and only to what is known here.
      return typeof version === "number" && version >= 1 ? Math.min(version, trackingVersion) : 1;
    }
    if (head.type !== MessageType.exception) throw new WireError("the handshake was answered with a call");
    const { type, message } = applicationException.read(reader);
    // Apache Thrift for Node leaves the number of all its errors out (0.24.0).
    if (type === undefined || type === applicationErrors.unknownMethod) return 0;
    throw new WireError(`the handshake was refused: ${String(message).slice(0, 200)}`);
  } finally {
    reader.close();
  }
}

function failed(
  { upstream, endpoint }: HandshakeHost,
  failure: "connect" | "protocol",
  text: string,
  cause: Error,
): UpstreamError {
  const { address } = endpoint.spec;
  return new UpstreamError(failure, `Cannot call ${address} of upstreams.${upstream}: ${text}`, {
    upstream,
    endpoint: address,
    cause,
  });
}
