/**
 * The first words on a connection: `HELLO 3` with the credentials and a name for `CLIENT LIST`, then the database. Where
 * the server does not know HELLO, or not version 3, RESP2 with AUTH. Refused credentials are a failed connection; the
 * error says what the server said, never what was sent.
 */
import type { RedisArgument, RedisValue } from "../../core/context.ts";
import type { ByteStream } from "../../core/protocol.ts";
import type { SessionHost } from "../../core/upstream/contract.ts";
import { UpstreamError } from "../../core/upstream_error.ts";
import { CommandWriter } from "./command_writer.ts";
import { commandOf } from "./commands.ts";
import { ErrorReply, RedisError } from "./redis_error.ts";
import { ReplyDecoder, ReplyError, unfinished } from "./reply_decoder.ts";

/** What a handshake needs of its host. */
export type HandshakeHost = Pick<SessionHost, "upstream" | "endpoint" | "plan">;

// What a server says of itself is longer than what some upstreams may reply.
const longestReplyBytes = 1024 * 1024;

/**
 * Logs in and answers with the decoder that the connection is to be read with. Rejects with an UpstreamError (`connect`,
 * `protocol`); closing the stream ends it. Leaves the stream open in any case.
 */
export async function shakeHands(stream: ByteStream, host: HandshakeHost): Promise<ReplyDecoder> {
  const { redis, limits } = host.plan;
  const decoder = new ReplyDecoder(longestReplyBytes);
  const ask = (name: string, ...args: RedisArgument[]) => exchange(stream, decoder, name, args);
  const { username, password, database } = redis;
  try {
    const login = password === null ? [] : ["AUTH", username ?? "default", password];
    const hello = await ask("HELLO", 3, ...login, "SETNAME", `weir:${host.upstream}`);
    if (hello instanceof RedisError) {
      if (!isOld(hello)) throw refused(host, hello);
      if (password !== null) {
        await must(ask("AUTH", ...(username === null ? [] : [username]), password), host);
      }
    }
    if (database !== 0) await must(ask("SELECT", database), host);
    // Where no password is wanted and none was given, a server may still say so only now.
    if (hello instanceof RedisError) await must(ask("PING"), host);
  } catch (error) {
    throw error instanceof ReplyError ? failed(host, "protocol", error.message, error) : error;
  }
  decoder.limit(limits.reply);
  return decoder;
}

async function must(reply: Promise<RedisValue>, host: HandshakeHost): Promise<void> {
  const answer = await reply;
  if (answer instanceof RedisError) throw refused(host, answer);
}

/** Whether the server has no HELLO, none for us, or none that speaks version 3. */
function isOld({ code, message }: RedisError): boolean {
  return code === "NOPROTO" || code === "NOPERM" || /^ERR unknown command/i.test(message);
}

async function exchange(
  stream: ByteStream,
  decoder: ReplyDecoder,
  name: string,
  args: RedisArgument[],
): Promise<RedisValue> {
  const writer = new CommandWriter();
  writer.command(commandOf(name), args);
  for (let bytes = writer.take(); bytes; bytes = writer.take()) {
    for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
  }
  for (;;) {
    const reply = decoder.next(false);
    if (reply !== unfinished) return reply instanceof ErrorReply ? reply.error : reply;
    const bytes = await stream.read(decoder.room());
    if (bytes === null) throw new ReplyError(`the server closed the connection instead of answering ${name}`);
    decoder.filled(bytes);
  }
}

function refused(host: HandshakeHost, { message }: RedisError): UpstreamError {
  // Servers that do not know a command repeat its arguments.
  const { password } = host.plan.redis;
  const said = new RedisError(password === null ? message : message.replaceAll(password, "***"));
  return failed(host, "connect", `the server refused: ${said.message}`, said);
}

function failed(
  { upstream, endpoint }: HandshakeHost,
  failure: "connect" | "protocol",
  text: string,
  cause: Error,
): UpstreamError {
  const { address } = endpoint.spec;
  return new UpstreamError(failure, `Cannot log in to ${address} of upstreams.${upstream}: ${text}`, {
    upstream,
    endpoint: address,
    cause,
  });
}
