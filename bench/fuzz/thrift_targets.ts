/** Readers of Thrift: of single messages, of streams of calls, of streams of replies, and whole listeners. */
import { setImmediate } from "node:timers";
import type { Log } from "../../core/context.ts";
import { TestConnection, TestStream } from "../../protocols/frames/testdata/test_host.ts";
import { applicationException } from "../../protocols/thrift/application_exception.ts";
import { IncomingMessages } from "../../protocols/thrift/incoming.ts";
import { thrift } from "../../protocols/thrift/protocol.ts";
import handler from "../../protocols/thrift/testdata/handler.ts";
import { TestHost } from "../../protocols/thrift/testdata/test_host.ts";
import { responseHeader } from "../../protocols/thrift/tracking.ts";
import { BinaryReader } from "../../protocols/thrift/wire/binary_protocol.ts";
import { CompactReader } from "../../protocols/thrift/wire/compact_protocol.ts";
import { MessageCutter } from "../../protocols/thrift/wire/transport.ts";
import { MessageType, TType } from "../../protocols/thrift/wire/ttype.ts";
import type { Reader } from "../../protocols/thrift/wire/wire.ts";
import { WireError } from "../../protocols/thrift/wire/wire_error.ts";
import { type Case, joined, piecesOf, type Sample, samplesOf } from "./mutation.ts";
import type { Target, Verdict } from "./target.ts";
import { callsOf, connections, frame, modes, observedReplies, repliesOf, service } from "./thrift_corpus.ts";

// deno-lint-ignore no-explicit-any
type AnyTarget = Target<any>;

const maxBytes = 64 * 1024;
/** Turns of the event loop that a listener has until it must have ended a connection whose peer is done. */
const mostTurns = 2000;

const readers = { binary: new BinaryReader(), compact: new CompactReader() };

/** All of them. */
export async function thriftTargets(): Promise<AnyTarget[]> {
  return [
    messages("thrift binary", readers.binary, samplesOf([...modes.slice(0, 2)].flatMap(single)), 250_000),
    messages("thrift compact", readers.compact, samplesOf(single(modes[2]!)), 250_000),
    calls(),
    replies(),
    ends(),
    await listener(),
  ];
}

function single(mode: typeof modes[number]): Uint8Array[] {
  return [...callsOf(mode), ...repliesOf(mode, 0)];
}

/** Messages whose ends are known, read by the IDL; what it does not know is passed over. */
function messages(name: string, reader: Reader, corpus: readonly Sample[], cases: number): Target {
  const read = ({ bytes }: Case<undefined>) =>
    refusable(() => {
      reader.open(bytes, 0, bytes.length);
      readMessage(reader);
      return "accepted";
    });
  return { name, cases, corpus, read };
}

function readMessage(reader: Reader): void {
  const head = { name: "", type: 0, seqid: 0 };
  reader.messageBegin(head);
  const method = service.methods.get(head.name);
  if (head.type === MessageType.exception) applicationException.read(reader);
  else if (!method) reader.skip(TType.struct);
  else if (head.type === MessageType.reply) method.result.read(reader);
  else method.args.read(reader);
}

/** What a listener's connection reads: transport and protocol found out, tracking, calls. */
function calls(): Target {
  const setup = { service, maxBytes, tracking: true, pooled: false };
  const read = (one: Case<undefined>) => {
    const incoming = new IncomingMessages(setup);
    let verdict: Verdict = "waiting";
    return refusable(() => {
      fill(incoming.cutter, one, () => {
        if (incoming.next() === undefined) return false;
        verdict = incoming.refusal ? "refused" : "accepted";
        return true;
      });
      return verdict;
    });
  };
  return { name: "thrift calls, any transport", cases: 250_000, corpus: connections(), read };
}

/** What a client's connection reads: one way to write, with tracking of version 2. */
function replies(): Target<number> {
  const corpus: Array<Sample<number>> = [];
  for (const [meta, mode] of modes.entries()) {
    const all = [...repliesOf(mode, 2), ...(meta === 0 ? observedReplies() : [])];
    for (const bytes of [...all, joined(...all)]) corpus.push({ bytes, meta });
    for (const bytes of [...all.map(frame), joined(...all.map(frame))]) {
      corpus.push({ bytes, meta: meta + 10 });
    }
  }
  const read = (one: Case<number>) => {
    const mode = { ...modes[one.meta % 10]!, framed: one.meta >= 10 };
    const cutter = new MessageCutter(maxBytes, mode);
    const reader = readers[mode.protocol];
    let verdict: Verdict = "waiting";
    return refusable(() => {
      fill(cutter, one, () => {
        if (!cutter.next("maybe")) return false;
        reader.open(cutter.bytes, cutter.from, cutter.to, cutter.view);
        const first = cutter.bytes[cutter.from]!;
        if (first !== 0x80 && first !== 0x82) responseHeader.read(reader);
        readMessage(reader);
        verdict = "accepted";
        return true;
      });
      return verdict;
    });
  };
  return { name: "thrift replies, tracked", cases: 200_000, corpus, read };
}

/** Where the buffered transport finds an end, a reader that passes over everything must find the same one. */
function ends(): Target {
  const corpus = samplesOf(modes.filter(({ strict }) => strict).flatMap(single));
  const read = (one: Case<undefined>) => {
    const cutter = new MessageCutter(maxBytes);
    let verdict: Verdict = "waiting";
    return refusable(() => {
      fill(cutter, one, () => {
        if (!cutter.next(false)) return false;
        const { protocol, framed } = cutter.mode!;
        const reader = readers[protocol];
        reader.open(cutter.bytes, cutter.from, cutter.to, cutter.view);
        reader.messageBegin({ name: "", type: 0, seqid: 0 });
        reader.skip(TType.struct);
        if (!framed && reader.at !== cutter.to) throw new Error(`cut at ${cutter.to}, read to ${reader.at}`);
        verdict = "accepted";
        return true;
      });
      return verdict;
    });
  };
  return { name: "thrift ends of messages", cases: 100_000, corpus, read };
}

class FuzzHost extends TestHost {
  /** What a connection said that must not happen. */
  failure: unknown;

  override readonly log: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => void (this.failure ??= fields?.error ?? message),
    child: () => this.log,
  };
}

/** Whole connections to a listener, from their first byte until it has ended them. */
async function listener(): Promise<Target> {
  const host = new FuzzHost({ ...handler, wait: ({ ms }: { ms: number }) => `${ms}` }, {
    limits: { message: maxBytes },
  });
  const server = await thrift.make(host);
  const read = async (one: Case<undefined>): Promise<Verdict> => {
    const stream = new TestStream();
    const connection = new TestConnection(stream);
    host.failure = undefined;
    host.errors.length = host.seen.length = host.refusals.length = 0;
    server.serve(connection);
    // An empty read is no end of a stream, and nothing that a socket gives.
    stream.feed(...piecesOf(one).filter(({ length }) => length > 0), null);
    for (let turn = 0; connection.ends.length === 0; turn++) {
      if (turn === mostTurns) throw new Error("the connection does not end");
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    if (host.failure !== undefined) throw host.failure;
    if (connection.ends.length > 1) throw new Error(`it ended more than once: ${connection.ends}`);
    if (connection.ends[0] === "client_closed") return host.seen.length > 0 ? "accepted" : "waiting";
    if (connection.ends[0] === "protocol_error" || connection.ends[0] === "body_too_large") return "refused";
    throw new Error(`it ended with ${connection.ends[0]}`);
  };
  return { name: "thrift listener, connections", cases: 20_000, corpus: connections(), read };
}

/** Gives `one` to `cutter` piece by piece, as far as there is room, and calls `next` after each until it says false. */
function fill(cutter: MessageCutter, one: Case<unknown>, next: () => boolean): void {
  for (const piece of piecesOf(one)) {
    for (let at = 0; at < piece.length;) {
      const room = cutter.room();
      const part = piece.subarray(at, at + room.length);
      room.set(part);
      cutter.filled(part.length);
      at += part.length;
      while (next());
    }
  }
}

function refusable(read: () => Verdict): Verdict {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) return "refused";
    throw error;
  }
}
