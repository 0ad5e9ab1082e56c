/**
 * How a connection that is refused at accept is told so: the protocol's farewell, then a polite close. Closing a socket
 * with unread bytes resets it, and the reset overtakes the farewell; so this side closes first and reads what the peer
 * had sent already, for a moment. Only so many get that much attention: under a flood the rest is closed at once.
 */
import type { ByteStream, ProtocolServer } from "../protocol.ts";
import type { Reason } from "../reasons.ts";
import type { Accepted } from "./guard.ts";

/** Refused connections that may be on their way out at the same time, per listener. */
const mostLingering = 128;
const lingerMs = 500;
const discardBytes = 64 * 1024;

/** Returns what refuses the accepted connections of one listener. */
export function refuser(server: ProtocolServer): (accepted: Accepted, reason: Reason) => void {
  let lingering = 0;
  return ({ stream, tls }, reason) => {
    const bytes = tls || lingering >= mostLingering ? undefined : server.farewell?.(reason);
    if (!bytes) return close(stream);
    lingering++;
    const timer = setTimeout(() => close(stream), lingerMs);
    farewell(stream, bytes).catch(() => {}).finally(() => {
      clearTimeout(timer);
      lingering--;
      close(stream);
    });
  };
}

async function farewell(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  await stream.write(bytes);
  await stream.closeWrite();
  const sink = new Uint8Array(4096);
  for (let left = discardBytes; left > 0;) {
    const read = await stream.read(sink);
    if (read === null) return;
    left -= read;
  }
}

function close(stream: ByteStream): void {
  try {
    stream.close();
  } catch {
    // Gone already.
  }
}
